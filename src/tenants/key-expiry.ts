/** When a key may end: not before it begins, and not after the key that made it or gave it another secret. */
import { toTime } from '../platform/http/views.ts'
import { tenantErrors } from './errors.ts'
import type { ApiKey } from './types.ts'

/** Who makes or rotates a key, as far as its own end goes; null and undefined: it has none. */
export interface Ending {
  readonly expiresAtMs?: number | null
}

const outlives = (expiresAtMs: number | null, makerEndsAtMs: number): boolean =>
  expiresAtMs === null || expiresAtMs > makerEndsAtMs

/** Throws `key_expiry_invalid`, `key_outlives_maker`. */
export const checkExpiry = (expiresAtMs: number | null, nowMs: number, maker: Ending | undefined): void => {
  if (expiresAtMs !== null && expiresAtMs <= nowMs) {
    const [given, now] = [toTime(expiresAtMs), toTime(nowMs)]
    const message = `must be later than now, ${now}; left out, the key does not end by itself`
    throw tenantErrors.key_expiry_invalid(`expiresAt is ${given}, and ${message}`, {
      findings: [{ path: 'body.expiresAt', message, given }],
    })
  }
  const endsAtMs = maker?.expiresAtMs ?? null
  if (endsAtMs === null || !outlives(expiresAtMs, endsAtMs)) return
  const given = expiresAtMs === null ? null : toTime(expiresAtMs)
  const message = `must be ${toTime(endsAtMs)} or earlier, for the key that makes this one ends then`
  throw tenantErrors.key_outlives_maker(`expiresAt ${given === null ? 'is missing' : `is ${given}`}, and ${message}`, {
    findings: [{ path: 'body.expiresAt', message, given }],
  })
}

/** The first key of a tenant does not end: without it nobody could make the next one. Throws `key_outlives_maker`. */
export const checkFirstKey = (maker: Ending | undefined): void => {
  const endsAtMs = maker?.expiresAtMs ?? null
  if (endsAtMs === null) return
  throw tenantErrors.key_outlives_maker(
    `the first key of a tenant does not end, and the calling key ends at ${toTime(endsAtMs)}; make the tenant with one that does not end`,
  )
}

/** A new secret for a key that lives longer would let its holder live longer, too. Throws `key_outlives_maker`. */
export const checkRotation = (
  { name, expiresAtMs }: Pick<ApiKey, 'name' | 'expiresAtMs'>,
  maker: Ending | undefined,
): void => {
  const endsAtMs = maker?.expiresAtMs ?? null
  if (endsAtMs === null || !outlives(expiresAtMs, endsAtMs)) return
  const end = expiresAtMs === null ? 'does not end' : `ends at ${toTime(expiresAtMs)}`
  throw tenantErrors.key_outlives_maker(
    `the key "${name}" ${end}, and the calling key ends at ${toTime(endsAtMs)}; rotate it with one that lives as long`,
  )
}
