/** Who may do what, from the configuration: the tenants' service with its ways to sign in. */
import type { Config } from '../config.ts'
import type { Clock } from '../platform/clock.ts'
import type { Database } from '../platform/db/database.ts'
import type { EventHub } from '../platform/events/hub.ts'
import type { MakeId } from '../platform/ids.ts'
import type { Log } from '../platform/log.ts'
import { makeOutbound } from '../platform/outbound/outbound.ts'
import type { SecretBox } from '../platform/secret-box.ts'
import type { SecretKeys } from '../platform/secret-keys.ts'
import {
  type ForgetMember,
  isRole,
  makeOidc,
  makeServiceTokens,
  makeTenantService,
  makeTokenVerifier,
} from '../tenants/index.ts'

export interface IdentityOptions {
  readonly config: Config
  readonly log: Log
  readonly db: Database
  readonly hub: EventHub
  readonly clock: Clock
  readonly makeId: MakeId
  readonly keys: SecretKeys
  readonly box: SecretBox
  readonly cacheMs: number
  readonly cacheMax: number
  readonly forgetMember: ForgetMember
}

const HOUR_MS = 3_600_000
const TIMEOUT_MS = 10_000
const ANSWER_BYTES = 1_048_576
const CALLBACK_PATH = '/auth/callback'

/** `host:port`, as the allow-list of outbound calls has it. */
export const hostOf = (url: string): string => {
  const { hostname, port, protocol } = new URL(url)
  return `${hostname}:${port || (protocol === 'https:' ? 443 : 80)}`
}

export const makeIdentity = (options: IdentityOptions) => {
  const { config, log, db, hub, clock, makeId, keys, box, cacheMs, cacheMax } = options
  const { OIDC_ISSUER, JWT_ISSUER, JWT_AUDIENCE, JWT_JWKS_URL, PUBLIC_URL, OIDC_NEW_MEMBER_ROLE: role } = config
  // The operator named these: they may stand inside, where nothing else may be called.
  const providers = [OIDC_ISSUER, JWT_JWKS_URL].filter((url) => url !== '').map(hostOf)
  const outbound = makeOutbound({
    allow: [...config.OUTBOUND_ALLOW, ...providers],
    timeoutMs: TIMEOUT_MS,
    maxResponseBytes: ANSWER_BYTES,
  })
  const fetch = outbound.asFetch()
  const serviceTokens = makeServiceTokens({ keys: () => keys.all().map((key) => key.bytes), clock })
  const tenants = makeTenantService({
    db,
    hub,
    clock,
    makeId,
    keyCacheMs: cacheMs,
    keyCacheMax: cacheMax,
    sessionMs: config.SESSION_HOURS * HOUR_MS,
    claimNames: { tenant: config.CLAIM_TENANT, role: config.CLAIM_ROLE, member: config.CLAIM_MEMBER },
    serviceTokens,
    verifyToken: JWT_ISSUER
      ? makeTokenVerifier({
          ...{ issuer: JWT_ISSUER, audience: JWT_AUDIENCE, jwksUrl: JWT_JWKS_URL, clock, fetch },
          onOutage: (err) => log.warn({ err, url: JWT_JWKS_URL }, 'the keys of the identity provider cannot be read'),
          onRecovery: () => log.info({ url: JWT_JWKS_URL }, 'the keys of the identity provider can be read again'),
        })
      : undefined,
    oidc: OIDC_ISSUER
      ? makeOidc({
          issuer: OIDC_ISSUER,
          clientId: config.OIDC_CLIENT_ID,
          clientSecret: config.OIDC_CLIENT_SECRET,
          scopes: config.OIDC_SCOPES,
          redirectUrl: new URL(CALLBACK_PATH, PUBLIC_URL).href,
          clock,
          box,
          fetch,
        })
      : undefined,
    cookies: OIDC_ISSUER ? { origin: new URL(PUBLIC_URL).origin } : undefined,
    newMemberRole: isRole(role) ? role : undefined,
    forgetMember: options.forgetMember,
  })
  return {
    tenants,
    /** For calls from one process to another. */
    serviceTokens,
    async stop(): Promise<void> {
      tenants.stop()
      await outbound.stop()
    },
  }
}
