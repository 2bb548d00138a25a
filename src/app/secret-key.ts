/** The key under which secrets lie in the database: from the configuration, or made once beside the embedded database. */
import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { AppError } from '../platform/errors.ts'

export interface SecretKeyOptions {
  /** `AIDOS_SECRET_KEY`: 32 bytes as base64. */
  readonly configured: string
  readonly dataDir: string
  /** Whether the key may lie beside the database: only where both belong to this machine. */
  readonly isEmbedded: boolean
}

const KEY_BYTES = 32

const decode = (text: string, where: string): Buffer => {
  const key = Buffer.from(text.trim(), 'base64')
  if (key.length === KEY_BYTES) return key
  throw new AppError(
    'config_invalid',
    `${where} is no key: 32 bytes as base64 are needed; make one with "openssl rand -base64 32"`,
  )
}

/** Throws `config_invalid` naming what to set. */
export const readSecretKey = ({ configured, dataDir, isEmbedded }: SecretKeyOptions): Buffer => {
  if (configured !== '') return decode(configured, 'AIDOS_SECRET_KEY')
  if (!isEmbedded) {
    throw new AppError(
      'config_invalid',
      'AIDOS_SECRET_KEY is not set; with DB_CLIENT=pg all processes need the same key for stored secrets: 32 bytes as base64 ("openssl rand -base64 32")',
    )
  }
  const file = join(dataDir, 'secret.key')
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  try {
    writeFileSync(file, `${randomBytes(KEY_BYTES).toString('base64')}\n`, { mode: 0o600, flag: 'wx' })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  return decode(readFileSync(file, 'utf8'), file)
}
