/** Members of a tenant: let in, changed, put out; and their sessions. */
import { randomBytes } from 'node:crypto'
import type { Clock } from '../platform/clock.ts'
import type { Database, Handle } from '../platform/db/database.ts'
import { isUniqueViolation } from '../platform/db/errors.ts'
import { writeEvent } from '../platform/events/write.ts'
import type { CreatedCursor } from '../platform/http/page.ts'
import { authErrors, mayNot, type Permission, type Principal } from '../platform/http/principal.ts'
import type { MakeId } from '../platform/ids.ts'
import { tenantErrors } from './errors.ts'
import { hashSecret } from './keys.ts'
import { makeTenantRepository } from './repository.ts'
import { makeMemberRepository } from './repository-members.ts'
import { grantsOf, type Role } from './roles.ts'
import type { Member, MemberStatus, Session } from './types.ts'

export type ForgetMember = (tx: Handle, tenantId: string, memberId: string, atMs: number) => Promise<void>

export interface MemberServiceOptions {
  readonly db: Database
  readonly clock: Clock
  readonly makeId: MakeId
  readonly sessionMs: number
  readonly limitTo: (tenantId: string, permissions: Set<Permission>) => Set<Permission>
  /** Ends what others hold for a member, in the transaction that removes it. */
  readonly forgetMember?: ForgetMember | undefined
  /** Told when a member counts differently. */
  readonly changed: () => void
}

export interface NewMember {
  readonly email: string
  readonly name?: string | undefined
  readonly role: Role
}

export interface MemberChange {
  readonly name?: string | undefined
  readonly role?: Role | undefined
  readonly status?: MemberStatus | undefined
}

/** Who wants it; absent: the operator, or the identity provider. */
type Maker = Pick<Principal, 'permissions'> | undefined

export const makeMemberService = (options: MemberServiceOptions) => {
  const { db, clock, makeId, sessionMs, limitTo, changed } = options
  const members = makeMemberRepository(db.primary)

  const tell = (tx: Handle, type: string, { tenantId, id, email, role }: Member): Promise<void> =>
    writeEvent(tx, { tenantId, projectId: null, type, data: { memberId: id, email, role }, atMs: clock.now() })

  /** Nobody gives, takes or touches more than they have themselves; owners are for owners. */
  const checkMaker = (tenantId: string, role: Role, maker: Maker): void => {
    if (!maker) return
    const tooMuch = [...limitTo(tenantId, grantsOf(role))].find((permission) => !maker.permissions.has(permission))
    if (tooMuch) throw mayNot(tooMuch)
  }

  const find = async (tenantId: string, id: string, at = members): Promise<Member> => {
    const member = await at.member(tenantId, id)
    if (!member) throw tenantErrors.member_not_found(`there is no member ${id}`)
    return member
  }
  /** As it is now, and stays until the end of the transaction: whoever changes it too waits. */
  const hold = async (tx: Handle, tenantId: string, id: string): Promise<Member> => {
    const held = makeMemberRepository(tx)
    await held.lockMember(tenantId, id)
    return find(tenantId, id, held)
  }

  /** Whether the change would leave the tenant without an owner. */
  const losesLastOwner = async (tx: Handle, before: Member, after?: Member): Promise<boolean> => {
    const isOwner = (member?: Member): boolean => member?.role === 'owner' && member.status === 'active'
    if (!isOwner(before) || isOwner(after)) return false
    // One at a time: two owners who put each other out at the same moment would leave none.
    await makeTenantRepository(tx).lockTenant(before.tenantId)
    return (await makeMemberRepository(tx).countActiveOwners(before.tenantId)) <= 1
  }
  const checkNotLastOwner = async (tx: Handle, before: Member, after?: Member): Promise<void> => {
    if (await losesLastOwner(tx, before, after))
      throw tenantErrors.last_owner(`${before.email} is the last owner of the tenant; make another one first`)
  }

  return {
    find: (tenantId: string, id: string): Promise<Member> => find(tenantId, id),
    isMember: async (tenantId: string, id: string): Promise<boolean> =>
      (await members.member(tenantId, id)) !== undefined,
    list: (tenantId: string, filter: { after?: CreatedCursor | undefined; limit: number }) =>
      members.members(tenantId, filter),
    bySubject: (tenantId: string, subject: string) => members.memberBySubject(tenantId, subject),
    byEmail: (tenantId: string, email: string) => members.memberByEmail(tenantId, email.toLowerCase()),
    forSignIn: (subject: string, email: string | undefined) => members.membersForSignIn(subject, email?.toLowerCase()),

    /** Throws `member_exists`, `forbidden`. */
    async create(tenantId: string, request: NewMember, maker?: Maker): Promise<Member> {
      checkMaker(tenantId, request.role, maker)
      const email = request.email.toLowerCase()
      const [id, nowMs] = [makeId(), clock.now()]
      const times = { createdAtMs: nowMs, updatedAtMs: nowMs, lastSeenAtMs: null }
      const base = { id, tenantId, email, name: request.name ?? email, role: request.role } as const
      const member: Member = { ...base, status: 'active', subject: null, ...times }
      try {
        await db.transaction(async (tx) => {
          await makeMemberRepository(tx).addMember(member)
          await tell(tx, 'member.created', member)
        })
      } catch (error) {
        if (isUniqueViolation(error)) throw tenantErrors.member_exists(`there is a member ${email} already`)
        throw error
      }
      return member
    },

    /** Throws `member_not_found`, `forbidden`, `last_owner`, and what `check` throws over the member as it is held for the change. */
    async update(
      tenantId: string,
      id: string,
      change: MemberChange,
      maker?: Maker,
      check?: (current: Member) => void,
    ): Promise<Member> {
      const wanted = Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined))
      const after = await db.transaction(async (tx) => {
        const before = await hold(tx, tenantId, id)
        checkMaker(tenantId, before.role, maker)
        check?.(before)
        const after: Member = { ...before, ...wanted, updatedAtMs: clock.now() }
        checkMaker(tenantId, after.role, maker)
        await checkNotLastOwner(tx, before, after)
        await makeMemberRepository(tx).changeMember(after)
        if (after.status === 'disabled') await makeMemberRepository(tx).endSessionsOf(tenantId, id)
        await tell(tx, 'member.changed', after)
        return after
      })
      changed()
      return after
    },

    /** With their sessions, and all that is for them alone. Throws like `update`. */
    async remove(tenantId: string, id: string, maker?: Maker, check?: (current: Member) => void): Promise<void> {
      await db.transaction(async (tx) => {
        const member = await hold(tx, tenantId, id)
        checkMaker(tenantId, member.role, maker)
        check?.(member)
        await checkNotLastOwner(tx, member)
        await makeMemberRepository(tx).removeMember(tenantId, id)
        await tell(tx, 'member.removed', member)
        await options.forgetMember?.(tx, tenantId, id, clock.now())
      })
      changed()
    },

    /**
     * A session for the member, who was identified as `subject` just now. The token is for the cookie alone. The provider's word about
     * the role counts, but it never leaves the tenant without an owner: `refusedRole` is the one that was not given then. Throws
     * `forbidden` when the member was put out, or taken by another subject, since it was found.
     */
    async signIn(
      { tenantId, id: memberId }: Pick<Member, 'tenantId' | 'id'>,
      {
        subject,
        name,
        role,
      }: { readonly subject: string; readonly name?: string | undefined; readonly role?: Role | undefined },
      from: Pick<Session, 'address' | 'userAgent'>,
    ): Promise<{ token: string; session: Session; member: Member; refusedRole: Role | undefined }> {
      const nowMs = clock.now()
      const token = randomBytes(32).toString('base64url')
      const times = { createdAtMs: nowMs, expiresAtMs: nowMs + sessionMs }
      const session: Session = { id: hashSecret(token), tenantId, memberId, ...times, ...from }
      const member = await db.transaction(async (tx) => {
        const writes = makeMemberRepository(tx)
        await writes.lockMember(tenantId, memberId)
        const before = await writes.member(tenantId, memberId)
        if (before?.status !== 'active' || ![null, subject].includes(before.subject))
          throw authErrors.forbidden('you are not a member here any more; ask to be invited')
        const known = { subject, lastSeenAtMs: nowMs, name: name ?? before.name }
        const wanted: Member = { ...before, ...known, role: role ?? before.role }
        const after = (await losesLastOwner(tx, before, wanted)) ? { ...wanted, role: before.role } : wanted
        await writes.removeExpiredSessions(nowMs)
        await writes.changeMember(after)
        await writes.addSession(session)
        await tell(tx, 'member.signed_in', after)
        return after
      })
      changed()
      return { token, session, member, refusedRole: role === member.role ? undefined : role }
    },

    async signOut(token: string): Promise<void> {
      const found = await members.session(hashSecret(token))
      if (!found) return
      await db.transaction(async (tx) => {
        await makeMemberRepository(tx).endSession(found.session.tenantId, found.session.id)
        await tell(tx, 'member.signed_out', found.member)
      })
      changed()
    },

    /** Whom a session's cookie speaks for, and until when; undefined when it is over or unknown. */
    async check(token: string): Promise<{ principal: Principal; untilMs: number } | undefined> {
      const found = await members.session(hashSecret(token))
      if (!found || found.session.expiresAtMs <= clock.now() || found.member.status !== 'active') return undefined
      return { principal: principalOf(found.member), untilMs: found.session.expiresAtMs }
    },

    principalOf: (member: Member): Principal => principalOf(member),
  }

  function principalOf({ tenantId, id, name, role }: Member): Principal {
    const permissions = limitTo(tenantId, grantsOf(role))
    return { kind: 'member', tenantId, projectId: null, keyId: id, name, memberId: id, role, permissions }
  }
}

export type MemberService = ReturnType<typeof makeMemberService>
