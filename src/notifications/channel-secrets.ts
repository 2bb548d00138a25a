/** What a channel keeps sealed: signing secrets, addresses that are secrets, passwords of mail servers. */
import type { SecretBox } from '../platform/secret-box.ts'
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
  if (config.kind === 'slack') return box.open(config.sealedUrl, placeOf(id))
  throw new Error(`a channel of the kind ${config.kind} has no address`)
}

/** The channel's own mail server. */
export const serverOf = ({ id, config }: Channel, box: SecretBox): MailServer | undefined => {
  if (config.kind !== 'email' || config.server === null) return undefined
  const { sealedPassword, ...server } = config.server
  const password = sealedPassword === null ? null : box.open(sealedPassword, placeOf(id))
  return { ...server, password, isOperators: false }
}
