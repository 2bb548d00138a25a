/** What the claims of an identity provider mean here: which tenant, which member, which role. */
import type { Permission, Principal } from '../platform/http/principal.ts'
import type { MemberService } from './member-service.ts'
import type { TenantRepository } from './repository.ts'
import { grantsOf, ROLES, type Role } from './roles.ts'
import type { Member } from './types.ts'

/** Names of claims; an empty one is not looked at. */
export interface ClaimNames {
  /** A tenant's name or id. Else the tenant follows from the member. */
  readonly tenant: string
  /** A role or a list of them, the highest counts. Else the member's own. */
  readonly role: string
  /** What tells people apart within the issuer. */
  readonly member: string
}

export type Claims = Readonly<Record<string, unknown>>

export interface Person {
  readonly tenantId: string
  readonly subject: string
  readonly name: string | undefined
  /** Only one that the provider has verified. */
  readonly email: string | undefined
  /** Known to the tenant, and not shut out. */
  readonly member: Member | undefined
  /** By the claims alone. */
  readonly role: Role | undefined
}

export interface ClaimReaderOptions {
  readonly names: ClaimNames
  readonly tenants: Pick<TenantRepository, 'tenant' | 'tenantByName'>
  readonly members: Pick<MemberService, 'bySubject' | 'byEmail' | 'forSignIn'>
  readonly limitTo: (tenantId: string, permissions: Set<Permission>) => Set<Permission>
}

const textOf = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined)

export const makeClaimReader = ({ names, tenants, members, limitTo }: ClaimReaderOptions) => {
  const roleIn = (claims: Claims): Role | undefined => {
    const given = names.role === '' ? [] : [claims[names.role]].flat()
    return ROLES.find((role) => given.includes(role))
  }

  /** The member of the tenant; by e-mail only as long as nobody has signed in as that member. */
  const memberIn = async (
    tenantId: string,
    subject: string,
    email: string | undefined,
  ): Promise<Member | undefined> => {
    const known = await members.bySubject(tenantId, subject)
    if (known || email === undefined) return known
    const invited = await members.byEmail(tenantId, email)
    return invited?.subject === null ? invited : undefined
  }

  return {
    /**
     * `wanted`: the tenant that the person asks for, where they may be of several. Undefined when the claims lead to no tenant, to
     * more than one, or to a member who is shut out; and for somebody unknown there, unless `lets` strangers in.
     */
    async person(claims: Claims, wanted?: string, lets = false): Promise<Person | undefined> {
      const sub = textOf(claims[names.member])
      const issuer = textOf(claims.iss)
      if (sub === undefined || issuer === undefined) return undefined
      const subject = `${issuer}|${sub}`
      const email = claims.email_verified === true ? textOf(claims.email) : undefined
      const claimed = names.tenant === '' ? undefined : textOf(claims[names.tenant])
      const asked = claimed ?? wanted
      const tenant =
        asked === undefined ? undefined : ((await tenants.tenant(asked)) ?? (await tenants.tenantByName(asked)))
      if (asked !== undefined && !tenant) return undefined
      const tenantId = tenant?.id ?? (await onlyTenantOf(subject, email))
      if (tenantId === undefined) return undefined
      const member = await memberIn(tenantId, subject, email)
      if (member && member.status !== 'active') return undefined
      // Whoever merely asks for a tenant must be known there.
      const isTheirs = lets || member !== undefined || claimed !== undefined
      return isTheirs
        ? { tenantId, subject, name: textOf(claims.name), email, member, role: roleIn(claims) }
        : undefined
    },

    /** For a token sent along with each request. Undefined when nothing says what the person may do. */
    principal({ tenantId, subject, name, member, role }: Person): Principal | undefined {
      const counts = role ?? member?.role
      if (!counts) return undefined
      const memberId = member?.id ?? subject
      const permissions = limitTo(tenantId, grantsOf(counts))
      const shown = name ?? member?.name ?? subject
      return {
        kind: 'member',
        tenantId,
        projectId: null,
        keyId: memberId,
        name: shown,
        memberId,
        role: counts,
        permissions,
      }
    },
  }

  async function onlyTenantOf(subject: string, email: string | undefined): Promise<string | undefined> {
    const found = (await members.forSignIn(subject, email)).filter((member) => member.status === 'active')
    const theirs = found.filter((member) => member.subject === subject || member.subject === null)
    const ids = new Set(theirs.map((member) => member.tenantId))
    return ids.size === 1 ? [...ids][0] : undefined
  }
}

export type ClaimReader = ReturnType<typeof makeClaimReader>
