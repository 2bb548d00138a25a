/**
 * The keys under which secrets are sealed: the first one seals, all of them open. Each has an id that follows from the key itself, so
 * that a sealed text says which one it needs, and processes agree without being told.
 */
import { createHash } from 'node:crypto'
import type { Clock } from './clock.ts'
import { defineErrors } from './errors.ts'

const keyErrors = defineErrors({ secret_key_invalid: { status: 500 } })

export interface SecretKey {
  /** Eight hexadecimal digits; says nothing of the key. */
  readonly id: string
  readonly bytes: Buffer
}

export interface SecretKeys {
  /** At least one; the first one seals. Never older than a second, so that nothing is sealed under a key that is on its way out. */
  all(): readonly SecretKey[]
  /** Looks again where the keys come from when the id is unknown, so that a new key is known everywhere before it is used widely. */
  find(id: string): SecretKey | undefined
  /** Takes up a change of the keys. Throws when they cannot be read any more, and keeps the ones before. */
  reload(): void
}

const KEY_BYTES = 32
/** An id that stays unknown must not cost a read of a file each time. */
const RELOAD_EVERY_MS = 1000

const toKey = (bytes: Buffer): SecretKey => {
  if (bytes.length !== KEY_BYTES) {
    throw keyErrors.secret_key_invalid(`the key for secrets has ${bytes.length} bytes; needed: ${KEY_BYTES}`)
  }
  return { id: createHash('sha256').update('aidos secret key id').update(bytes).digest('hex').slice(0, 8), bytes }
}

/** Throws `secret_key_invalid` unless each key has 32 bytes. */
export const makeSecretKeys = (read: () => readonly Buffer[], now: Clock['now']): SecretKeys => {
  const load = (): SecretKey[] => read().map(toKey)
  let keys = load()
  let loadedAtMs = now()
  const reload = (): void => {
    loadedAtMs = now()
    keys = load()
  }
  const refresh = (): void => {
    if (now() - loadedAtMs < RELOAD_EVERY_MS) return
    try {
      reload()
    } catch {
      // A file that is away for a moment: the keys that are known go on.
    }
  }
  const known = (id: string): SecretKey | undefined => keys.find((key) => key.id === id)
  return {
    reload,
    all() {
      refresh()
      return keys
    },
    find(id) {
      if (!known(id)) refresh()
      return known(id)
    },
  }
}

/** A single key that never changes. */
export const fixedKey = (bytes: Buffer): SecretKeys =>
  makeSecretKeys(
    () => [bytes],
    () => 0,
  )
