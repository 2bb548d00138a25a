/** API keys: `aidos_ID_SECRET`. The database keeps a hash; the secret is shown once. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { KeyHashes } from './types.ts'

export interface MadeKey {
  /** What the caller keeps. */
  readonly key: string
  readonly hash: string
}

const PREFIX = 'aidos'

/** SHA-256 is enough here: the secret has 256 random bits, nothing that could be guessed. */
export const hashSecret = (secret: string): string => createHash('sha256').update(secret).digest('hex')

export const makeKey = (id: string): MadeKey => {
  const secret = randomBytes(32).toString('base64url')
  return { key: `${PREFIX}_${id.replaceAll('-', '')}_${secret}`, hash: hashSecret(secret) }
}

/** The parts of a key, or undefined when the text is none. */
export const readKey = (text: string): { id: string; secret: string } | undefined => {
  const match = /^aidos_([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})_([\w-]{43})$/.exec(text)
  if (!match) return undefined
  return { id: match.slice(1, 6).join('-'), secret: match[6] as string }
}

/** Compares without telling by its time how much was right. */
const isSameHash = (a: string, b: string): boolean =>
  a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b))

/** No secret has this hash. */
export const NO_HASH = '0'.repeat(64)

/** Which of a key's secrets was given. Both are compared whatever the first one says. */
export const matchSecret = ({ hash, previousHash }: KeyHashes, secret: string): 'current' | 'previous' | undefined => {
  const given = hashSecret(secret)
  const [isCurrent, isPrevious] = [isSameHash(hash, given), isSameHash(previousHash, given)]
  if (isCurrent) return 'current'
  return isPrevious ? 'previous' : undefined
}
