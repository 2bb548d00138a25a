/**
 * Who sends a request: by API key, by a token of the identity provider, by a token of another process, or by the console's cookie.
 * A good answer is believed for a short while; a wrong one is never kept.
 */
import { LRUCache } from 'lru-cache'
import type { Clock } from '../platform/clock.ts'
import { authErrors, type CallerEvidence, type Principal } from '../platform/http/principal.ts'
import type { ClaimReader } from './claims.ts'
import { type CookieRules, checkMeant, readCookie } from './cookies.ts'
import type { KeyService } from './key-service.ts'
import { hashSecret } from './keys.ts'
import type { MemberService } from './member-service.ts'
import { isServiceToken, type ServiceTokens } from './service-token.ts'
import type { VerifyToken } from './tokens.ts'

export interface AuthenticateOptions {
  readonly clock: Clock
  /** How long a change made by another process may go unnoticed. */
  readonly cacheMs: number
  readonly cacheMax: number
  readonly keys: Pick<KeyService, 'check' | 'touch'>
  readonly members: Pick<MemberService, 'check'>
  readonly claims: ClaimReader
  readonly serviceTokens?: ServiceTokens | undefined
  readonly verifyToken?: VerifyToken | undefined
  /** Absent: there are no sessions. */
  readonly cookies?: CookieRules | undefined
}

interface Checked {
  readonly principal: Principal
  readonly untilMs: number | null
}

interface Known extends Checked {
  readonly checkedAtMs: number
}

export const makeAuthenticate = (options: AuthenticateOptions) => {
  const { clock, cacheMs, cacheMax, keys, members, claims, serviceTokens, verifyToken, cookies } = options
  // By hashes, so that no secret stays in memory.
  const believed = new LRUCache<string, Known>({ max: cacheMax })
  let changes = 0

  const refused = (): Error =>
    authErrors.unauthenticated(
      'the key, token or session is missing, unknown, expired or revoked; send "Authorization: Bearer aidos_…"',
    )

  const checkToken = async (token: string): Promise<Checked | undefined> => {
    if (isServiceToken(token)) return serviceTokens?.check(token)
    const given = await verifyToken?.(token)
    const person = given && (await claims.person(given))
    const principal = person && claims.principal(person)
    return principal && { principal, untilMs: (given?.exp ?? 0) * 1000 }
  }

  const isToken = (text: string): boolean => /^[\w-]+\.[\w-]+\.[\w-]+$/.test(text)
  const checkText = (text: string): Promise<Checked | undefined> =>
    isToken(text) ? checkToken(text) : keys.check(text)

  const remember = async (id: string, check: () => Promise<Checked | undefined>): Promise<Principal> => {
    const [before, checkedAtMs] = [changes, clock.now()]
    const result = await check()
    if (!result) throw refused()
    // What was read while something changed may be older than the change.
    if (cacheMs > 0 && changes === before) believed.set(id, { ...result, checkedAtMs })
    return used(result.principal)
  }

  const used = (principal: Principal): Principal => {
    if (principal.kind === 'key') keys.touch(principal.keyId)
    return principal
  }

  const identify = (secret: string, check: () => Promise<Checked | undefined>): Principal | Promise<Principal> => {
    const id = hashSecret(secret)
    const known = believed.get(id)
    const nowMs = clock.now()
    const isFresh = known !== undefined && nowMs - known.checkedAtMs < cacheMs
    const isGood = isFresh && (known.untilMs === null || known.untilMs > nowMs)
    return isGood ? used(known.principal) : remember(id, check)
  }

  return {
    /** Throws `unauthenticated`, `csrf_refused`. */
    authenticate(authorization: string | undefined, evidence?: CallerEvidence): Principal | Promise<Principal> {
      if (authorization !== undefined) {
        const text = /^Bearer (\S+)$/i.exec(authorization)?.[1]
        if (text === undefined) throw refused()
        return identify(text, () => checkText(text))
      }
      const session = cookies && evidence && readCookie(evidence, 'session', cookies)
      if (!session) throw refused()
      checkMeant(evidence, session, cookies)
      return identify(`session ${session}`, () => members.check(session))
    },
    /** Something about a key, a member or a session has changed: all are looked at anew. */
    forget(): void {
      changes++
      believed.clear()
    },
  }
}
