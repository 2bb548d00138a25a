/**
 * Tokens by which one process of AIDOS calls another in a tenant's name: a minute long, signed (HMAC-SHA-256) under a key that is
 * derived (HKDF, RFC 5869) from the one that all processes share for secrets.
 */
import { hkdfSync } from 'node:crypto'
import type { Clock } from '../platform/clock.ts'
import { PERMISSIONS, type Permission, type Principal } from '../platform/http/principal.ts'

export interface ServiceTokenOptions {
  /** Those that count, the one that signs first. */
  readonly keys: () => readonly Buffer[]
  readonly clock: Clock
}

export interface ServiceCall {
  readonly tenantId: string
  /** Which service calls, for the audit log: `scheduler`. */
  readonly service: string
  readonly permissions: readonly Permission[]
}

const TYPE = 'aidos-service+jwt'
const NAME = 'urn:aidos:service'
const LIFE_S = 60
const CLOCK_SKEW_S = 5

const derive = (key: Buffer): Uint8Array => new Uint8Array(hkdfSync('sha256', key, '', NAME, 32))

/** Whether a token says of itself that it is one of these; it is not checked yet. */
export const isServiceToken = (token: string): boolean => {
  try {
    const header = JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()) as { typ?: unknown }
    return header.typ === TYPE
  } catch {
    return false
  }
}

export const makeServiceTokens = ({ keys, clock }: ServiceTokenOptions) => ({
  async sign({ tenantId, service, permissions }: ServiceCall): Promise<string> {
    const { SignJWT } = await import('jose')
    const nowS = Math.floor(clock.now() / 1000)
    return new SignJWT({ tenant: tenantId, may: [...permissions] })
      .setProtectedHeader({ alg: 'HS256', typ: TYPE })
      .setIssuer(NAME)
      .setAudience(NAME)
      .setSubject(service)
      .setIssuedAt(nowS)
      .setExpirationTime(nowS + LIFE_S)
      .sign(derive(keys()[0] as Buffer))
  },

  /** Whom it speaks for; undefined when it is wrong in any way. */
  async check(token: string): Promise<{ principal: Principal; untilMs: number } | undefined> {
    const { jwtVerify } = await import('jose')
    for (const key of keys()) {
      const options = { issuer: NAME, audience: NAME, typ: TYPE, algorithms: ['HS256'], requiredClaims: ['exp', 'iat'] }
      const times = { clockTolerance: CLOCK_SKEW_S, maxTokenAge: LIFE_S, currentDate: new Date(clock.now()) }
      const { payload } = await jwtVerify(token, derive(key), { ...options, ...times }).catch(() => ({ payload: null }))
      if (payload) return read(payload)
    }
    return undefined
  },
})

const read = ({ tenant, sub, may, exp = 0 }: Readonly<Record<string, unknown>> & { exp?: number }) => {
  const granted = Array.isArray(may) ? may : []
  const permissions = new Set(PERMISSIONS.filter((permission) => granted.includes(permission)))
  const [tenantId, name] = [String(tenant), String(sub)]
  const who = { kind: 'service', tenantId, projectId: null, keyId: `service:${name}`, name, memberId: null } as const
  return { principal: { ...who, role: null, permissions } satisfies Principal, untilMs: exp * 1000 }
}

export type ServiceTokens = ReturnType<typeof makeServiceTokens>
