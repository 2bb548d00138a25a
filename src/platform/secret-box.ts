/** Keeps secrets unreadable in the database: AES-256-GCM (NIST SP 800-38D) under keys of the operator's. */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { defineErrors } from './errors.ts'
import { fixedKey, type SecretKey, type SecretKeys } from './secret-keys.ts'

const secretErrors = defineErrors({
  /** Sealed under a key that is not here, for another place, or changed since. */
  secret_unreadable: { status: 500 },
})

export interface SecretBox {
  /**
   * The text, unreadable without the key. `place` names where it belongs (`channel:ID`) and is needed again to open it, so that a
   * sealed secret copied to another row is of no use.
   */
  seal(text: string, place: string): string
  /** Throws `secret_unreadable`. */
  open(sealed: string, place: string): string
  /** The id of the key that seals now; it may be another one a moment later. */
  currentKeyId(): string
  /** The id of the key under which something was sealed by `seal`. */
  keyIdOf(sealed: string): string
  /** Whether it was sealed under the key that seals now. */
  isCurrent(sealed: string): boolean
}

/** The length for which GCM is specified without further hashing; random, and used for far fewer than 2^32 secrets. */
const NONCE_BYTES = 12
const TAG_BYTES = 16
/** `v2.KEY.TEXT`. The form before, `v1.TEXT`, did not say which key. */
const [BEFORE, VERSION] = ['v1', 'v2']

const openWith = ({ bytes: key }: SecretKey, bytes: Buffer, place: string): string => {
  const nonce = bytes.subarray(0, NONCE_BYTES)
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES })
  decipher.setAAD(Buffer.from(place)).setAuthTag(bytes.subarray(-TAG_BYTES))
  return Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]).toString('utf8')
}

/** Throws `secret_key_invalid` unless the key has 32 bytes. */
export const makeSecretBox = (given: Buffer | SecretKeys): SecretBox => {
  const keys = Buffer.isBuffer(given) ? fixedKey(given) : given
  const current = (): SecretKey => keys.all()[0] as SecretKey

  const openAny = (bytes: Buffer, place: string): string => {
    let failure: unknown
    for (const key of keys.all()) {
      try {
        return openWith(key, bytes, place)
      } catch (error) {
        failure = error
      }
    }
    throw failure
  }

  return {
    seal(text, place) {
      const { id, bytes: key } = current()
      const nonce = randomBytes(NONCE_BYTES)
      const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES }).setAAD(Buffer.from(place))
      const sealed = Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()])
      return `${VERSION}.${id}.${sealed.toString('base64url')}`
    },
    open(sealed, place) {
      const [version, ...rest] = sealed.split('.')
      try {
        if (version === BEFORE && rest.length === 1) return openAny(Buffer.from(rest[0] as string, 'base64url'), place)
        if (version !== VERSION || rest.length !== 2) throw new Error('the form is unknown')
        const key = keys.find(rest[0] as string)
        if (!key) throw new Error(`the key ${rest[0]} is not here`)
        return openWith(key, Buffer.from(rest[1] as string, 'base64url'), place)
      } catch (cause) {
        throw secretErrors.secret_unreadable(
          `the secret of ${place} cannot be read: it was sealed under another key, or was changed`,
          { cause },
        )
      }
    },
    currentKeyId: () => current().id,
    keyIdOf: (sealed) => sealed.split('.')[1] as string,
    isCurrent: (sealed) => sealed.startsWith(`${VERSION}.${current().id}.`),
  }
}
