/** Fetches the secrets that a channel names, for one call. */
import type { SecretBox } from '../platform/secret-box.ts'
import { isSecretReference, type RevealSecret, type SecretReference } from '../secrets/index.ts'
import { checkUrl } from './channel-config.ts'
import { placeOf } from './channel-secrets.ts'
import type { Channel } from './types.ts'

export interface FetchOptions {
  readonly revealSecret: RevealSecret
  readonly box: SecretBox
}

/** Resolves with the channel as if it had them itself: sealed. Rejects like `RevealSecret`, and with `channel_invalid`. */
export const makeFetchSecrets =
  ({ revealSecret, box }: FetchOptions) =>
  async (channel: Channel): Promise<Channel> => {
    const { id, tenantId, projectId, config } = channel
    const fetched = async (reference: SecretReference, url: string | null): Promise<string> =>
      revealSecret({ tenantId, projectId, reference, url })
    if (config.kind === 'slack' && isSecretReference(config.sealedUrl)) {
      const url = await fetched(config.sealedUrl, null)
      checkUrl(url)
      return { ...channel, config: { ...config, sealedUrl: box.seal(url, placeOf(id)) } }
    }
    if (config.kind === 'email' && isSecretReference(config.server?.sealedPassword)) {
      const { host, port, sealedPassword } = config.server
      const password = await fetched(sealedPassword, `smtp://${host}:${port}`)
      return {
        ...channel,
        config: { ...config, server: { ...config.server, sealedPassword: box.seal(password, placeOf(id)) } },
      }
    }
    return channel
  }

export type FetchSecrets = ReturnType<typeof makeFetchSecrets>
