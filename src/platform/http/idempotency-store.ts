/**
 * Keeps the answers to requests with an `Idempotency-Key`, in the database. A claim lapses, so that a process that dies over a request
 * does not lock its key; answers are sealed, for some hold a secret that is shown once.
 */
import { createHash } from 'node:crypto'
import type { Clock } from '../clock.ts'
import type { Database, Handle } from '../db/database.ts'
import { isUniqueViolation } from '../db/errors.ts'
import type { MakeId } from '../ids.ts'
import type { SecretBox } from '../secret-box.ts'

export interface KeyedRequest {
  readonly tenantId: string
  /** Keys of different callers do not meet: an answer never goes to somebody else. */
  readonly callerId: string
  readonly key: string
  readonly fingerprint: string
}

export interface KeptAnswer {
  readonly status: number
  readonly body: string | null
  readonly contentType: string | null
  /** Its `ETag`; missing in answers that were kept before there was one. */
  readonly tag?: string | null
}

export type Claim =
  | { readonly kind: 'mine'; readonly id: string }
  | { readonly kind: 'under-way' }
  | { readonly kind: 'other-content' }
  /** Its answer was sealed under a key that is not here any more. */
  | { readonly kind: 'unreadable' }
  | ({ readonly kind: 'done' } & KeptAnswer)

export interface IdempotencyStore {
  /** `mine`: `hold` it and do it, then `finish` or `release`. */
  claim(request: KeyedRequest): Promise<Claim>
  /** Renews the claim until the returned function is called. */
  hold(id: string): () => void
  finish(id: string, answer: KeptAnswer): Promise<void>
  /** Nothing was done: the key is free again. */
  release(id: string): Promise<void>
}

type Tables = {
  idempotency_keys: {
    id: string
    tenant_id: string
    scope: string
    fingerprint: string
    answer: string | null
    claimed_until: number
    expires_at: number
  }
}

export interface IdempotencyStoreOptions {
  readonly db: Database
  readonly clock: Clock
  readonly makeId: MakeId
  readonly box: SecretBox
  readonly keepMs?: number
  /** How long the claim of a process that died counts. */
  readonly claimMs?: number
}

const DAY_MS = 86_400_000
const CLAIM_MS = 120_000
const SWEEP_EVERY_MS = 600_000
const SWEEP_LIMIT = 1000

/** Only a hash is stored: a key may tell something of its request. */
const scopeOf = ({ callerId, key }: KeyedRequest): string =>
  createHash('sha256').update(`${callerId}\n${key}`).digest('base64url')

const placeOf = (id: string): string => `idempotency:${id}`

export const makeIdempotencyStore = (options: IdempotencyStoreOptions): IdempotencyStore => {
  const { db, clock, makeId, box, keepMs = DAY_MS, claimMs = CLAIM_MS } = options
  const on = (handle: Handle) => handle.withTables<Tables>()
  let sweepAtMs = 0

  const sweep = async (nowMs: number): Promise<void> => {
    if (nowMs < sweepAtMs) return
    sweepAtMs = nowMs + SWEEP_EVERY_MS
    await db.transaction(async (tx) => {
      const old = on(tx).selectFrom('idempotency_keys').select('id').where('expires_at', '<=', nowMs)
      await on(tx).deleteFrom('idempotency_keys').where('id', 'in', old.limit(SWEEP_LIMIT)).execute()
    })
  }

  const find = ({ tenantId }: KeyedRequest, scope: string) =>
    on(db.primary)
      .selectFrom('idempotency_keys')
      .selectAll()
      .where('tenant_id', '=', tenantId)
      .where('scope', '=', scope)
      .executeTakeFirst()

  /** Undefined when somebody else was quicker. */
  const add = async (
    { tenantId, fingerprint }: KeyedRequest,
    scope: string,
    nowMs: number,
  ): Promise<Claim | undefined> => {
    const id = makeId()
    const times = { claimed_until: nowMs + claimMs, expires_at: nowMs + keepMs }
    try {
      await db.transaction(async (tx) => {
        const row = { id, tenant_id: tenantId, scope, fingerprint, answer: null, ...times }
        await on(tx).insertInto('idempotency_keys').values(row).execute()
      })
      return { kind: 'mine', id }
    } catch (error) {
      if (isUniqueViolation(error)) return undefined
      throw error
    }
  }

  /** The claim of a process that died over it: taken over by one of those who find it. */
  const takeOver = async (id: string, until: number, nowMs: number): Promise<boolean> =>
    db.transaction(async (tx) => {
      const update = on(tx)
        .updateTable('idempotency_keys')
        .set({ claimed_until: nowMs + claimMs })
      const { numUpdatedRows } = await update
        .where('id', '=', id)
        .where('claimed_until', '=', until)
        .where('answer', 'is', null)
        .executeTakeFirst()
      return numUpdatedRows > 0n
    })

  const answerOf = (id: string, sealed: string): Claim => {
    try {
      return { kind: 'done', ...(JSON.parse(box.open(sealed, placeOf(id))) as KeptAnswer) }
    } catch {
      return { kind: 'unreadable' }
    }
  }

  const claim = async (request: KeyedRequest): Promise<Claim> => {
    const nowMs = clock.now()
    const scope = scopeOf(request)
    const made = await add(request, scope, nowMs)
    if (made) {
      sweep(nowMs).catch(() => {
        sweepAtMs = 0
      })
      return made
    }
    const row = await find(request, scope)
    if (!row) return claim(request)
    if (row.expires_at <= nowMs) {
      await db.transaction(async (tx) => {
        await on(tx).deleteFrom('idempotency_keys').where('id', '=', row.id).where('expires_at', '<=', nowMs).execute()
      })
      return claim(request)
    }
    if (row.fingerprint !== request.fingerprint) return { kind: 'other-content' }
    if (row.answer !== null) return answerOf(row.id, row.answer)
    if (row.claimed_until > nowMs || !(await takeOver(row.id, row.claimed_until, nowMs))) return { kind: 'under-way' }
    return { kind: 'mine', id: row.id }
  }

  const renew = (id: string): Promise<void> =>
    db.transaction(async (tx) => {
      const update = on(tx)
        .updateTable('idempotency_keys')
        .set({ claimed_until: clock.now() + claimMs })
      await update.where('id', '=', id).where('answer', 'is', null).execute()
    })

  const hold = (id: string): (() => void) => {
    let isOver = false
    let cancel = (): void => {}
    const renewLater = (): void => {
      cancel = clock.after(claimMs / 3, () => {
        // Where it could not be renewed the next time may do.
        const tried = renew(id).catch(() => {})
        void tried.then(() => {
          if (!isOver) renewLater()
        })
      })
    }
    renewLater()
    return () => {
      isOver = true
      cancel()
    }
  }

  return {
    claim,
    hold,
    async finish(id, answer) {
      const sealed = box.seal(JSON.stringify(answer), placeOf(id))
      await db.transaction(async (tx) => {
        await on(tx).updateTable('idempotency_keys').set({ answer: sealed }).where('id', '=', id).execute()
      })
    },
    async release(id) {
      await db.transaction(async (tx) => {
        await on(tx).deleteFrom('idempotency_keys').where('id', '=', id).where('answer', 'is', null).execute()
      })
    },
  }
}
