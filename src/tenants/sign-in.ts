/** Signing in to the console: from the identity provider's word to a session, and out again. */
import { authErrors } from '../platform/http/principal.ts'
import type { ClaimReader, Person } from './claims.ts'
import { type CookieRules, writeCookie } from './cookies.ts'
import { tenantErrors } from './errors.ts'
import type { MemberService } from './member-service.ts'
import { type Oidc, PENDING_S } from './oidc.ts'
import type { Role } from './roles.ts'
import type { Member, Session } from './types.ts'

export interface SignInOptions {
  readonly oidc: Oidc | undefined
  readonly cookies: CookieRules | undefined
  readonly claims: ClaimReader
  readonly members: MemberService
  /** Of people that nobody invited; undefined: they are not let in. */
  readonly newMemberRole: Role | undefined
  /** The tenant they come to. */
  readonly operator: () => string | undefined
}

export const makeSignIn = ({ oidc, cookies, claims, members, newMemberRole, operator }: SignInOptions) => {
  const available = (): { oidc: Oidc; cookies: CookieRules } => {
    if (oidc && cookies) return { oidc, cookies }
    throw tenantErrors.sign_in_unavailable(
      'single sign-on is not configured; set OIDC_ISSUER, OIDC_CLIENT_ID and PUBLIC_URL',
    )
  }

  /** The member that the person is; made now where the provider or the operator says which role. */
  const admit = async ({ tenantId, member, email, name, role }: Person): Promise<Member> => {
    if (member) return member
    if (email === undefined || role === undefined)
      throw authErrors.forbidden(
        'you are not a member here, and nothing says which role you would have; ask to be invited',
      )
    return members.create(tenantId, { email, name, role })
  }

  /** Somebody without an invitation, where the operator lets them in. */
  const stranger = async (given: Readonly<Record<string, unknown>>): Promise<Person | undefined> => {
    const tenantId = operator()
    if (newMemberRole === undefined || tenantId === undefined) return undefined
    const person = await claims.person(given, tenantId, true)
    // Who is a member there already merely asked for another tenant: their role is theirs.
    return person && !person.member ? { ...person, role: person.role ?? newMemberRole } : person
  }

  return {
    cookies,
    async begin(wanted: { returnTo?: string | undefined; tenant?: string | undefined }) {
      const { oidc, cookies } = available()
      const { url, kept } = await oidc.begin(wanted)
      return { url, cookies: [writeCookie('sign_in', kept, PENDING_S, cookies)] }
    },

    /** Throws `sign_in_failed`, or `forbidden` to somebody who is known to the provider and not to us. */
    async finish(query: string, kept: string | undefined, from: Pick<Session, 'address' | 'userAgent'>) {
      const { oidc, cookies } = available()
      const { claims: given, returnTo, tenant } = await oidc.finish(query, kept)
      const person = (await claims.person(given, tenant)) ?? (await stranger(given))
      if (!person) throw authErrors.forbidden('you are not a member here; ask to be invited')
      const member = await admit(person)
      const { token, session, refusedRole } = await members.signIn(member, person, from)
      const lifeS = Math.floor((session.expiresAtMs - session.createdAtMs) / 1000)
      const written = [writeCookie('session', token, lifeS, cookies), writeCookie('sign_in', '', 0, cookies)]
      return { returnTo, cookies: written, member, refusedRole }
    },

    /** Nothing to do is no error. */
    async end(token: string | undefined): Promise<string[]> {
      const { cookies } = available()
      if (token !== undefined) await members.signOut(token)
      return [writeCookie('session', '', 0, cookies)]
    },
  }
}
