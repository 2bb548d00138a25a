/** Cookies of the console, and the proof that a request which comes by one was meant. */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { authErrors, type CallerEvidence } from '../platform/http/principal.ts'

export interface CookieRules {
  /** Where people reach the console, as the browser sees it: `https://aidos.example.org`. */
  readonly origin: string
}

const SAFE_METHODS = ['GET', 'HEAD', 'OPTIONS']

const isSecure = ({ origin }: CookieRules): boolean => origin.startsWith('https://')

/** `__Host-` (RFC 6265bis): no subdomain and no plain connection can plant it. */
const nameOf = (name: string, rules: CookieRules): string => `${isSecure(rules) ? '__Host-' : ''}aidos_${name}`

export const readCookie = (evidence: Pick<CallerEvidence, 'headers'>, name: string, rules: CookieRules) => {
  const wanted = `${nameOf(name, rules)}=`
  const pairs = String(evidence.headers.cookie ?? '').split(';')
  const found = pairs.map((pair) => pair.trim()).find((pair) => pair.startsWith(wanted))
  return found?.slice(wanted.length) || undefined
}

/** A `Set-Cookie` header; `maxAgeS` 0 removes it. No script reads it, and another site's form does not send it. */
export const writeCookie = (name: string, value: string, maxAgeS: number, rules: CookieRules): string =>
  [
    `${nameOf(name, rules)}=${value}`,
    'Path=/',
    `Max-Age=${maxAgeS}`,
    'HttpOnly',
    'SameSite=Lax',
    ...(isSecure(rules) ? ['Secure'] : []),
  ].join('; ')

/** Known only to who may read the session's answers: a page of another site may send requests, and reads nothing. */
export const csrfTokenOf = (sessionToken: string): string =>
  createHmac('sha256', sessionToken).update('csrf').digest('base64url')

/**
 * A request by cookie that would change something must come from our own pages: the browser says so itself (`Origin`), or it carries
 * the session's token in `X-CSRF-Token`. Throws `csrf_refused`.
 */
export const checkMeant = (
  { method, headers }: CallerEvidence,
  sessionToken: string,
  { origin }: CookieRules,
): void => {
  if (SAFE_METHODS.includes(method)) return
  if (headers.origin !== undefined) {
    if (headers.origin === origin) return
    throw authErrors.csrf_refused(`a session cannot be used from another origin than ${origin}`)
  }
  const given = Buffer.from(String(headers['x-csrf-token'] ?? ''))
  const wanted = Buffer.from(csrfTokenOf(sessionToken))
  if (given.length === wanted.length && timingSafeEqual(given, wanted)) return
  throw authErrors.csrf_refused(
    'send the csrfToken of GET /v1/session as X-CSRF-Token with requests that change something',
  )
}
