/**
 * Sign-in over OpenID Connect: authorization code with PKCE (RFC 7636), state and nonce. What must be remembered until the person
 * comes back travels in a sealed cookie, so that any gateway process can finish what another one began.
 */
import type { Clock } from '../platform/clock.ts'
import { messageOf } from '../platform/errors.ts'
import type { SecretBox } from '../platform/secret-box.ts'
import type { Claims } from './claims.ts'
import { tenantErrors } from './errors.ts'

export interface OidcOptions {
  readonly issuer: string
  readonly clientId: string
  /** Empty for a public client. */
  readonly clientSecret: string
  readonly scopes: string
  /** Where the provider sends people back to. */
  readonly redirectUrl: string
  readonly clock: Clock
  readonly box: SecretBox
  /** Reaches the operator's provider. */
  readonly fetch: typeof fetch
}

/** What is remembered while the person is at the provider. */
interface Pending {
  readonly state: string
  readonly nonce: string
  readonly verifier: string
  readonly returnTo: string
  readonly tenant: string | null
  readonly untilMs: number
}

export const PENDING_S = 600
const PLACE = 'sign-in'

/** Of a path to return to: it travels in a cookie, of which browsers keep 4096 bytes. */
const LONGEST_PATH = 2000

/** A path of ours: never another site. A browser reads `\` as `/` and leaves out tabs and line ends. What no header can hold is encoded. */
export const safePath = (path: string | undefined): string => {
  if (path === undefined || !/^\/(?![/\\])[^\\\s]*$/.test(path)) return '/'
  const encoded = path.toWellFormed().replace(/[^\x21-\x7e]+/g, encodeURIComponent)
  return encoded.length <= LONGEST_PATH ? encoded : '/'
}

/** With what the provider itself says of it (RFC 6749, 5.2), such as `invalid_client`. */
const reasonOf = (cause: unknown): Error => {
  const { error, error_description: description } = cause as Readonly<Record<string, unknown>>
  const parts = [messageOf(cause), error, description].filter((part) => typeof part === 'string')
  return new Error(parts.join(': '), { cause })
}

export const makeOidc = (options: OidcOptions) => {
  const { issuer, clientId, clientSecret, scopes, redirectUrl, clock, box } = options

  const discover = async () => {
    const client = await import('openid-client')
    const isPlain = issuer.startsWith('http://')
    const config = await client.discovery(
      new URL(issuer),
      clientId,
      undefined,
      clientSecret === '' ? client.None() : client.ClientSecretPost(clientSecret),
      { [client.customFetch]: options.fetch as never, ...(isPlain && { execute: [client.allowInsecureRequests] }) },
    )
    return { client, config }
  }
  let known: ReturnType<typeof discover> | undefined
  /** Asked for once; again when it went wrong. */
  const provider = (): ReturnType<typeof discover> => {
    known ??= discover()
    known.catch(() => {
      known = undefined
    })
    return known
  }

  const failed = (what: string, cause?: unknown): Error => tenantErrors.sign_in_failed(what, { cause })

  const readPending = (sealed: string | undefined): Pending => {
    if (sealed === undefined) throw failed('this sign-in was not begun in this browser, or long ago; begin again')
    try {
      const pending = JSON.parse(box.open(sealed, PLACE)) as Pending
      if (pending.untilMs > clock.now()) return pending
    } catch {
      throw failed('what was kept of this sign-in cannot be read; begin again')
    }
    throw failed('this sign-in took too long; begin again')
  }

  return {
    /** Where to send the person, and what its browser is to keep until it comes back. */
    async begin(wanted: { returnTo?: string | undefined; tenant?: string | undefined }) {
      const { client, config } = await provider().catch((cause: unknown) => {
        throw failed('the identity provider does not answer as it should; the log says why', cause)
      })
      const verifier = client.randomPKCECodeVerifier()
      const [state, nonce] = [client.randomState(), client.randomNonce()]
      const url = client.buildAuthorizationUrl(config, {
        redirect_uri: redirectUrl,
        scope: scopes,
        code_challenge: await client.calculatePKCECodeChallenge(verifier),
        code_challenge_method: 'S256',
        state,
        nonce,
      })
      const untilMs = clock.now() + PENDING_S * 1000
      const [returnTo, tenant] = [safePath(wanted.returnTo), wanted.tenant ?? null]
      const pending: Pending = { state, nonce, verifier, returnTo, tenant, untilMs }
      return { url: url.href, kept: box.seal(JSON.stringify(pending), PLACE) }
    },

    /** The person's claims, when the provider sends them back. `query` begins with `?`. Throws `sign_in_failed`. */
    async finish(
      query: string,
      kept: string | undefined,
    ): Promise<{ claims: Claims; returnTo: string; tenant?: string }> {
      const { state, nonce, verifier, returnTo, tenant } = readPending(kept)
      try {
        const { client, config } = await provider()
        const checks = { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true }
        const tokens = await client.authorizationCodeGrant(config, new URL(`${redirectUrl}${query}`), checks)
        const claims: Claims = { ...tokens.claims() }
        if (claims.email !== undefined || config.serverMetadata().userinfo_endpoint === undefined)
          return { claims, returnTo, ...(tenant !== null && { tenant }) }
        const more = await client.fetchUserInfo(config, tokens.access_token, String(claims.sub))
        return { claims: { ...more, ...claims }, returnTo, ...(tenant !== null && { tenant }) }
      } catch (cause) {
        throw failed('the identity provider did not confirm who you are; begin again', reasonOf(cause))
      }
    },
  }
}

export type Oidc = ReturnType<typeof makeOidc>
