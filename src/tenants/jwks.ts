/**
 * The keys that an identity provider publishes (JWKS, RFC 7517), as they were read last. While they cannot be read they are asked for
 * seldom, however many tokens come, and those that were good go on counting for a while.
 *
 * jose's own remote key set pauses after a success alone: through an outage it asks, and waits, for every token.
 */
import type { JSONWebKeySet, JWTVerifyGetKey } from 'jose'
import type { Clock } from '../platform/clock.ts'

export interface JwksOptions {
  readonly url: string
  readonly clock: Clock
  /** Reaches the operator's provider. */
  readonly fetch: typeof fetch
  /** How soon at the earliest they are read again because a token names a key that is not among them. */
  readonly cooldownMs: number
  /** Told of the first failure in a row, and when the keys can be read again. */
  readonly onOutage?: ((error: unknown) => void) | undefined
  readonly onRecovery?: (() => void) | undefined
}

const ANSWER_MS = 5000
/** So long they count without a question. */
const FRESH_MS = 600_000
/** So long they count while they cannot be read: a key that was withdrawn meanwhile counts as long. */
const OUTLIVED_MS = 3_600_000
/** From one failure to the next try: twice as long each time. */
const FIRST_PAUSE_MS = 1000
const LONGEST_PAUSE_MS = 30_000

/** The answer throws `JWKSNoMatchingKey` for a key that is not published, and anything else where nobody can say. */
export const makeJwks = (jose: typeof import('jose'), options: JwksOptions): JWTVerifyGetKey => {
  const { url, clock, cooldownMs, onOutage, onRecovery } = options
  let known: { readonly find: JWTVerifyGetKey; readonly readAtMs: number } | undefined
  let failure: { readonly error: unknown; readonly retryAtMs: number; readonly pauseMs: number } | undefined
  let reading: Promise<void> | undefined

  const isOlderThan = (ageMs: number): boolean => {
    const passedMs = known ? clock.now() - known.readAtMs : ageMs
    // A clock that was put back says nothing about age.
    return passedMs < 0 || passedMs >= ageMs
  }

  const read = async (): Promise<void> => {
    const response = await options.fetch(url, {
      headers: { accept: 'application/json, application/jwk-set+json' },
      redirect: 'manual',
      signal: AbortSignal.timeout(ANSWER_MS),
    })
    if (response.status !== 200) {
      await response.body?.cancel()
      throw new Error(`the answer has the status ${response.status}`)
    }
    known = { find: jose.createLocalJWKSet((await response.json()) as JSONWebKeySet), readAtMs: clock.now() }
    if (failure) onRecovery?.()
    failure = undefined
  }

  const noteFailure = (error: unknown): never => {
    const pauseMs = Math.min(failure ? failure.pauseMs * 2 : FIRST_PAUSE_MS, LONGEST_PAUSE_MS)
    if (!failure) onOutage?.(error)
    failure = { error, pauseMs, retryAtMs: clock.now() + pauseMs }
    throw error
  }

  /** One question at a time for all who want to know; none while the last one has failed just now. */
  const readAgain = async (): Promise<void> => {
    if (failure && !reading && clock.now() < failure.retryAtMs) throw failure.error
    reading ??= read()
      .catch(noteFailure)
      .finally(() => {
        reading = undefined
      })
    await reading
  }

  const readIfOld = async (): Promise<void> => {
    if (!isOlderThan(FRESH_MS)) return
    // Through an outage nobody waits for an answer that will hardly come, as long as the old ones count.
    const isAwaited = failure === undefined || isOlderThan(OUTLIVED_MS)
    const again = readAgain().catch((error: unknown) => {
      if (isAwaited && isOlderThan(OUTLIVED_MS)) throw error
    })
    if (isAwaited) await again
  }

  const find: JWTVerifyGetKey = (header, token) => (known as NonNullable<typeof known>).find(header, token)
  return async (header, token) => {
    await readIfOld()
    try {
      return await find(header, token)
    } catch (error) {
      if (!(error instanceof jose.errors.JWKSNoMatchingKey) || !isOlderThan(cooldownMs)) throw error
      await readAgain()
      return find(header, token)
    }
  }
}
