/** The address of a channel, as a caller gives it and as it lies in the database: checked, and sealed where it is a secret. */
import type { SecretBox } from '../platform/secret-box.ts'
import { isSecretReference, type SecretReference } from '../secrets/index.ts'
import { placeOf } from './channel-secrets.ts'
import { notificationErrors } from './errors.ts'
import type { Channel, ChannelConfig, ChannelSettings, NewChannel, NewMailServer, SealedMailServer } from './types.ts'
import { makeWebhookSecret } from './webhook.ts'

export interface ChannelChange {
  readonly name?: string | undefined
  /** Of Slack also a secret of the tenant's. */
  readonly url?: string | SecretReference | undefined
  readonly to?: readonly string[] | undefined
  /** A password that is left out stays as it is, as long as the host does. */
  readonly server?: NewMailServer | null | undefined
  readonly settings?: Partial<ChannelSettings> | undefined
}

export interface ChannelConfigOptions {
  readonly box: SecretBox
  /** Whether the operator has set a mail server for channels that name none. */
  readonly hasMailServer: boolean
}

/** Throws `channel_invalid`. */
export const checkUrl = (text: string | SecretReference): URL => {
  if (isSecretReference(text))
    throw notificationErrors.channel_invalid('a webhook is secured by its signature: its url is no secret')
  const url = URL.parse(text)
  if (!url || (url.protocol !== 'http:' && url.protocol !== 'https:') || url.username !== '' || url.password !== '') {
    throw notificationErrors.channel_invalid(
      `the url of the channel must be an http or https address without user name and password`,
    )
  }
  return url
}

export const makeChannelConfigs = ({ box, hasMailServer }: ChannelConfigOptions) => {
  const sealIt = (id: string, value: string | SecretReference): string | SecretReference =>
    isSecretReference(value) ? value : box.seal(value, placeOf(id))

  const slack = (id: string, url: string | SecretReference): ChannelConfig => {
    const host = isSecretReference(url) ? null : checkUrl(url).host
    return { kind: 'slack', host, sealedUrl: sealIt(id, url) }
  }

  const sealServer = (id: string, server: NewMailServer, before?: SealedMailServer | null): SealedMailServer => {
    const { host, port, security, user = null, password, from } = server
    const isKept = password === undefined && user !== null && before?.host === host && before.user === user
    const sealedPassword = password === undefined ? null : sealIt(id, password)
    const sealed = isKept ? before.sealedPassword : sealedPassword
    if ((user === null) !== (sealed === null))
      throw notificationErrors.channel_invalid('a mail server takes a user with a password, or neither')
    if (security === 'none' && user !== null)
      throw notificationErrors.channel_invalid('a password is not sent in the clear: use the security tls or starttls')
    return { host, port, security, user, sealedPassword: sealed, from }
  }

  const checkServer = (server: SealedMailServer | null): SealedMailServer | null => {
    if (server !== null || hasMailServer) return server
    throw notificationErrors.channel_invalid('name a mail server: the operator has set none')
  }

  const make = (id: string, request: NewChannel): { config: ChannelConfig; secret: string | null } => {
    if (request.kind === 'inbox') return { config: { kind: 'inbox' }, secret: null }
    if (request.kind === 'email') {
      const server = checkServer(request.server ? sealServer(id, request.server) : null)
      return { config: { kind: 'email', to: request.to, server }, secret: null }
    }
    if (request.kind === 'slack') return { config: slack(id, request.url), secret: null }
    const url = checkUrl(request.url)
    const secret = makeWebhookSecret()
    const secrets = [{ sealed: box.seal(secret, placeOf(id)), untilMs: null }]
    return { config: { kind: 'webhook', url: url.href, secrets }, secret }
  }

  /** The address of a channel, with what is new of it. */
  const change = ({ id, config }: Channel, { url, to, server }: ChannelChange): ChannelConfig => {
    const isCalled = config.kind === 'webhook' || config.kind === 'slack'
    if (url !== undefined && !isCalled)
      throw notificationErrors.channel_kind_wrong(`a channel of the kind ${config.kind} has no url`)
    if ((to !== undefined || server !== undefined) && config.kind !== 'email')
      throw notificationErrors.channel_kind_wrong(`a channel of the kind ${config.kind} sends no mail`)
    if (config.kind === 'email') {
      const next = server === undefined ? config.server : server && sealServer(id, server, config.server)
      return { ...config, to: to ?? config.to, server: checkServer(next) }
    }
    if (url === undefined) return config
    if (config.kind === 'webhook') return { ...config, url: checkUrl(url).href }
    return slack(id, url)
  }

  return { make, change }
}
