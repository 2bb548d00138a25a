/** What a channel keeps sealed, or names: signing secrets, addresses that are secrets, passwords of mail servers. */
import type { SecretBox } from '../platform/secret-box.ts'
import { isSecretReference, type SecretReference } from '../secrets/index.ts'
import type { MailServer } from './mail.ts'
import type { Channel } from './types.ts'

/** Where a secret belongs: sealed for one channel it cannot be opened for another. */
export const placeOf = (id: string): string => `channel:${id}`

/** The signing secrets that count at a time, the newest first. */
export const secretsOf = (channel: Channel, box: SecretBox, nowMs: number): string[] => {
  if (channel.config.kind !== 'webhook') return []
  const valid = channel.config.secrets.filter(({ untilMs }) => untilMs === null || untilMs > nowMs)
  return valid.map(({ sealed }) => box.open(sealed, placeOf(channel.id)))
}

export const urlOf = ({ id, config }: Channel, box: SecretBox): string => {
  if (config.kind === 'webhook') return config.url
  if (config.kind === 'slack') return opened(config.sealedUrl, id, box)
  throw new Error(`a channel of the kind ${config.kind} has no address`)
}

/** The channel's own mail server. */
export const serverOf = ({ id, config }: Channel, box: SecretBox): MailServer | undefined => {
  if (config.kind !== 'email' || config.server === null) return undefined
  const { sealedPassword, ...server } = config.server
  const password = sealedPassword === null ? null : opened(sealedPassword, id, box)
  return { ...server, password, isOperators: false }
}

const opened = (kept: string | SecretReference, id: string, box: SecretBox): string => {
  if (isSecretReference(kept)) throw new Error(`the secret ${kept.$secret} was not fetched`)
  return box.open(kept, placeOf(id))
}
