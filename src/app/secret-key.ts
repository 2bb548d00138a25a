/**
 * Where the keys come from under which secrets lie in the database: the configuration, a file, or a file that is made once beside the
 * embedded database. Several keys: the first one seals, the others still open.
 */
import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { AppError } from '../platform/errors.ts'
import { makeSecretKeys } from '../platform/secret-keys.ts'

export interface SecretKeyOptions {
  /** `AIDOS_SECRET_KEY`: 32 bytes as base64; several are separated by commas. */
  readonly configured: string
  /** `AIDOS_SECRET_KEY_FILE`: one key in each line. */
  readonly file: string
  readonly dataDir: string
  /** Whether the key may lie beside the database: only where both belong to this machine. */
  readonly isEmbedded: boolean
}

const KEY_BYTES = 32

const invalid = (message: string): Error => new AppError('config_invalid', message)

const decode = (text: string, where: string): Buffer => {
  const key = Buffer.from(text, 'base64')
  if (key.length === KEY_BYTES) return key
  throw invalid(`${where} is no key: 32 bytes as base64 are needed; make one with "openssl rand -base64 32"`)
}

const decodeAll = (text: string, where: string): Buffer[] => {
  const parts = text.split(/[\n,]/).map((part) => part.trim())
  const keys = parts.filter((part) => part !== '').map((part) => decode(part, where))
  if (keys.length === 0) throw invalid(`${where} has no key: 32 bytes as base64 are needed`)
  return keys
}

const readKeyFile = (file: string): Buffer[] => {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw invalid(`the file of secret keys ${file} cannot be read: ${(error as Error).message}`)
  }
  return decodeAll(text, file)
}

const newKey = (): string => randomBytes(KEY_BYTES).toString('base64')

/** The file that an embedded start makes. */
export const embeddedKeyFile = (dataDir: string): string => join(dataDir, 'secret.key')

/** Reads the keys each time it is called. Throws `config_invalid` naming what to set. */
export const makeSecretKeyReader = ({ configured, file, dataDir, isEmbedded }: SecretKeyOptions): (() => Buffer[]) => {
  if (configured !== '' && file !== '')
    throw invalid('AIDOS_SECRET_KEY and AIDOS_SECRET_KEY_FILE are both set; keep one of them')
  if (configured !== '') return () => decodeAll(configured, 'AIDOS_SECRET_KEY')
  if (file !== '') return () => readKeyFile(file)
  if (!isEmbedded) {
    throw invalid(
      'AIDOS_SECRET_KEY is not set; with DB_CLIENT=pg all processes need the same key for stored secrets: 32 bytes as base64 ("openssl rand -base64 32"), or AIDOS_SECRET_KEY_FILE',
    )
  }
  const own = embeddedKeyFile(dataDir)
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  try {
    writeFileSync(own, `${newKey()}\n`, { mode: 0o600, flag: 'wx' })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  return () => readKeyFile(own)
}

/** All at once, also when the machine goes down: a process that reads it meanwhile sees the one state or the other. */
const writeKeyFile = (file: string, keys: readonly string[]): void => {
  writeFileSync(`${file}.new`, `${keys.join('\n')}\n`, { mode: 0o600, flush: true })
  renameSync(`${file}.new`, file)
}

/** Puts a fresh key before those of the file. */
export const addSecretKey = (file: string): number => {
  const lines = [newKey(), ...readKeyFile(file).map((key) => key.toString('base64'))]
  writeKeyFile(file, lines)
  return lines.length
}

/** Whether the key of this id is the one that seals for whoever reads the file. */
export const sealsFirst = (file: string, keyId: string): boolean =>
  makeSecretKeys(() => readKeyFile(file), Date.now).all()[0]?.id === keyId

/** Takes all keys but the first out of the file; says how many went. */
export const dropOldSecretKeys = (file: string): number => {
  const [first, ...old] = readKeyFile(file)
  writeKeyFile(file, [(first as Buffer).toString('base64')])
  return old.length
}
