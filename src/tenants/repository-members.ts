/** Reads and writes of members and their sessions. */
import { countRows } from '../platform/db/count.ts'
import type { Handle } from '../platform/db/database.ts'
import { olderThan } from '../platform/db/keyset.ts'
import type { CreatedCursor } from '../platform/http/page.ts'
import type { Role } from './roles.ts'
import type { TenantTables } from './schema.ts'
import type { Member, MemberStatus, Session } from './types.ts'

const toMember = (row: TenantTables['members']): Member => ({
  id: row.id,
  tenantId: row.tenant_id,
  email: row.email,
  name: row.name,
  role: row.role as Role,
  status: row.status as MemberStatus,
  subject: row.subject,
  createdAtMs: row.created_at,
  updatedAtMs: row.updated_at,
  lastSeenAtMs: row.last_seen_at,
})

const toSession = (row: TenantTables['sessions']): Session => ({
  id: row.id,
  tenantId: row.tenant_id,
  memberId: row.member_id,
  createdAtMs: row.created_at,
  expiresAtMs: row.expires_at,
  address: row.address,
  userAgent: row.user_agent,
})

export const makeMemberRepository = (handle: Handle) => {
  const db = handle.withTables<TenantTables>()
  const of = (tenantId: string) => db.selectFrom('members').selectAll().where('tenant_id', '=', tenantId)
  return {
    async member(tenantId: string, id: string): Promise<Member | undefined> {
      const row = await of(tenantId).where('id', '=', id).executeTakeFirst()
      return row && toMember(row)
    },
    async memberBySubject(tenantId: string, subject: string): Promise<Member | undefined> {
      const row = await of(tenantId).where('subject', '=', subject).executeTakeFirst()
      return row && toMember(row)
    },
    async memberByEmail(tenantId: string, email: string): Promise<Member | undefined> {
      const row = await of(tenantId).where('email', '=', email).executeTakeFirst()
      return row && toMember(row)
    },
    /** Over all tenants, before it is known which one is meant: for sign-in. */
    async membersForSignIn(subject: string, email: string | undefined): Promise<Member[]> {
      const rows = await db
        .selectFrom('members')
        .selectAll()
        .where((eb) => eb.or([eb('subject', '=', subject), ...(email === undefined ? [] : [eb('email', '=', email)])]))
        .orderBy('created_at')
        .orderBy('id')
        .limit(100)
        .execute()
      return rows.map(toMember)
    },
    /** Newest first. */
    async members(
      tenantId: string,
      { after, limit }: { readonly after?: CreatedCursor | undefined; readonly limit: number },
    ): Promise<Member[]> {
      let query = of(tenantId)
      if (after) query = query.where(olderThan(after))
      return (await query.orderBy('created_at', 'desc').orderBy('id', 'desc').limit(limit).execute()).map(toMember)
    },
    countActiveOwners(tenantId: string): Promise<number> {
      const owners = db.selectFrom('members').where('tenant_id', '=', tenantId).where('role', '=', 'owner')
      return countRows(owners.where('status', '=', 'active'))
    },
    async addMember(member: Member): Promise<void> {
      const { id, tenantId, email, name, role, status, subject, createdAtMs, updatedAtMs, lastSeenAtMs } = member
      const times = { created_at: createdAtMs, updated_at: updatedAtMs, last_seen_at: lastSeenAtMs }
      const row = { id, tenant_id: tenantId, email, name, role, status, subject, ...times }
      await db.insertInto('members').values(row).execute()
    },
    /** Until the end of the transaction nobody else has it. */
    async lockMember(tenantId: string, id: string): Promise<void> {
      await db
        .updateTable('members')
        .set((eb) => ({ status: eb.ref('status') }))
        .where('tenant_id', '=', tenantId)
        .where('id', '=', id)
        .execute()
    },
    async changeMember({
      tenantId,
      id,
      name,
      role,
      status,
      subject,
      updatedAtMs,
      lastSeenAtMs,
    }: Member): Promise<void> {
      await db
        .updateTable('members')
        .set({ name, role, status, subject, updated_at: updatedAtMs, last_seen_at: lastSeenAtMs })
        .where('tenant_id', '=', tenantId)
        .where('id', '=', id)
        .execute()
    },
    /** With all sessions. */
    async removeMember(tenantId: string, id: string): Promise<void> {
      await this.endSessionsOf(tenantId, id)
      await db.deleteFrom('members').where('tenant_id', '=', tenantId).where('id', '=', id).execute()
    },

    /** By the hash of its cookie, with the member it speaks for. */
    async session(id: string): Promise<{ session: Session; member: Member } | undefined> {
      const row = await db.selectFrom('sessions').selectAll().where('id', '=', id).executeTakeFirst()
      const member = row && (await this.member(row.tenant_id, row.member_id))
      return row && member && { session: toSession(row), member }
    },
    async addSession(session: Session): Promise<void> {
      const { id, tenantId, memberId, createdAtMs, expiresAtMs, address, userAgent } = session
      const times = { created_at: createdAtMs, expires_at: expiresAtMs }
      const row = { id, tenant_id: tenantId, member_id: memberId, ...times, address, user_agent: userAgent }
      await db.insertInto('sessions').values(row).execute()
    },
    async endSession(tenantId: string, id: string): Promise<void> {
      await db.deleteFrom('sessions').where('tenant_id', '=', tenantId).where('id', '=', id).execute()
    },
    async endSessionsOf(tenantId: string, memberId: string): Promise<void> {
      await db.deleteFrom('sessions').where('tenant_id', '=', tenantId).where('member_id', '=', memberId).execute()
    },
    /** Of all tenants. */
    async removeExpiredSessions(nowMs: number): Promise<void> {
      await db.deleteFrom('sessions').where('expires_at', '<=', nowMs).execute()
    },
  }
}
