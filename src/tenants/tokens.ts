/** Tokens of an identity provider (JWT, RFC 7519) checked by its published keys (JWKS, RFC 7517), and what their claims say. */
import type { JWTPayload } from 'jose'
import type { Clock } from '../platform/clock.ts'
import { defineErrors } from '../platform/errors.ts'
import { type JwksOptions, makeJwks } from './jwks.ts'

const tokenErrors = defineErrors({
  /** The provider's keys cannot be read now: nobody can say whether the token is good. */
  identity_unavailable: { status: 503, retryable: true },
})

export interface TokenOptions extends Pick<JwksOptions, 'fetch' | 'onOutage' | 'onRecovery'> {
  readonly issuer: string
  readonly audience: string
  readonly jwksUrl: string
  readonly clock: Clock
  /** How often at most the keys are read again because of a key id that is not among them. */
  readonly cooldownMs?: number
}

/** Signatures by a private key only: with these a token cannot be forged from what is published. */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA']
/** How far the clocks of the provider and of this machine may be apart. */
const CLOCK_SKEW_S = 60
const COOLDOWN_MS = 5000
const RETRY_AFTER_MS = 1000
/** The published keys are at fault, not the token. */
const UNAVAILABLE = ['ERR_JWKS_INVALID']

/** Resolves with the claims, or undefined for a token that is wrong in any way. Throws `identity_unavailable`. */
export type VerifyToken = (token: string) => Promise<JWTPayload | undefined>

export const makeTokenVerifier = (options: TokenOptions): VerifyToken => {
  const { issuer, audience, jwksUrl, clock, cooldownMs = COOLDOWN_MS } = options
  const start = async () => {
    const jose = await import('jose')
    const { fetch, onOutage, onRecovery } = options
    return { jose, keys: makeJwks(jose, { url: jwksUrl, clock, fetch, cooldownMs, onOutage, onRecovery }) }
  }
  let started: ReturnType<typeof start> | undefined
  return async (token) => {
    started ??= start()
    const { jose, keys } = await started
    try {
      const { payload } = await jose.jwtVerify(token, keys, {
        issuer,
        audience,
        algorithms: ALGORITHMS,
        clockTolerance: CLOCK_SKEW_S,
        currentDate: new Date(clock.now()),
        requiredClaims: ['exp', 'sub'],
      })
      return payload
    } catch (error) {
      if (error instanceof jose.errors.JOSEError && !UNAVAILABLE.includes(error.code)) return undefined
      // Anybody can send a token: where the keys are, and why they cannot be read, is for the log.
      throw tokenErrors.identity_unavailable(
        'the keys of the identity provider cannot be read now; try again shortly',
        {
          cause: error,
          retryAfterMs: RETRY_AFTER_MS,
        },
      )
    }
  }
}
