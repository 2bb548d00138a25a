/** Keeps secrets unreadable in the database: AES-256-GCM (NIST SP 800-38D) under one key of the operator's. */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { defineErrors } from './errors.ts'

const secretErrors = defineErrors({
  secret_key_invalid: { status: 500 },
  /** Sealed under another key, for another place, or changed since. */
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
}

const KEY_BYTES = 32
/** The length for which GCM is specified without further hashing; random, and used for far fewer than 2^32 secrets. */
const NONCE_BYTES = 12
const TAG_BYTES = 16
/** The form, so that another one can follow. */
const VERSION = 'v1'

/** Throws `secret_key_invalid` unless the key has 32 bytes. */
export const makeSecretBox = (key: Buffer): SecretBox => {
  if (key.length !== KEY_BYTES) {
    throw secretErrors.secret_key_invalid(`the key for secrets has ${key.length} bytes; needed: ${KEY_BYTES}`)
  }
  return {
    seal(text, place) {
      const nonce = randomBytes(NONCE_BYTES)
      const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES }).setAAD(Buffer.from(place))
      const sealed = Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()])
      return `${VERSION}.${sealed.toString('base64url')}`
    },
    open(sealed, place) {
      const [version, text = ''] = sealed.split('.')
      const bytes = Buffer.from(text, 'base64url')
      try {
        if (version !== VERSION) throw new Error(`the form ${version} is unknown`)
        const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, NONCE_BYTES), {
          authTagLength: TAG_BYTES,
        })
        decipher.setAAD(Buffer.from(place)).setAuthTag(bytes.subarray(-TAG_BYTES))
        const body = bytes.subarray(NONCE_BYTES, -TAG_BYTES)
        return Buffer.concat([decipher.update(body), decipher.final()]).toString('utf8')
      } catch (cause) {
        throw secretErrors.secret_unreadable(
          `the secret of ${place} cannot be read: it was sealed under another key, or was changed`,
          { cause },
        )
      }
    },
  }
}
