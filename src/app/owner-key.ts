/** The owner's key in this process: given by the operator, found beside the database, or made now, and then told once. */
import { readFileSync } from 'node:fs'
import type { Config } from '../config.ts'
import { AppError } from '../platform/errors.ts'
import { readKey } from '../tenants/index.ts'
import { credentialsFile, readCredentials } from './credentials.ts'
import type { Services } from './services.ts'

export interface OwnerKey {
  /** Undefined when another process made it, or this one has no use for it. */
  readonly key: string | undefined
  /** Whether this process made it, and must show or keep it. */
  readonly isNew: boolean
}

type Given = Pick<Config, 'AIDOS_OWNER_KEY' | 'AIDOS_OWNER_KEY_FILE'>

const invalid = (message: string): Error => new AppError('config_invalid', message)

const readGivenFile = (file: string): string => {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch (error) {
    throw invalid(`AIDOS_OWNER_KEY_FILE ${file} cannot be read: ${(error as Error).message}`)
  }
}

/** The key that the operator gave, if he did. Throws `config_invalid`, never showing it. */
export const readGivenKey = ({ AIDOS_OWNER_KEY, AIDOS_OWNER_KEY_FILE }: Given): string | undefined => {
  if (AIDOS_OWNER_KEY !== '' && AIDOS_OWNER_KEY_FILE !== '')
    throw invalid('AIDOS_OWNER_KEY and AIDOS_OWNER_KEY_FILE are both set; keep one of them')
  const [name, key] =
    AIDOS_OWNER_KEY_FILE === ''
      ? ['AIDOS_OWNER_KEY', AIDOS_OWNER_KEY]
      : ['AIDOS_OWNER_KEY_FILE', readGivenFile(AIDOS_OWNER_KEY_FILE)]
  if (name === 'AIDOS_OWNER_KEY' && key === '') return undefined
  if (readKey(key) === undefined)
    throw invalid(`${name} has no key of AIDOS in it; "aidos bootstrap --new-key" prints one that can be given`)
  return key
}

const isAccepted = async (key: string, tenants: Services['tenants']): Promise<boolean> => {
  try {
    await tenants.authenticate(`Bearer ${key}`)
    return true
  } catch (error) {
    if (error instanceof AppError) return false
    throw error
  }
}

export interface OwnerKeyOptions {
  readonly config: Config
  readonly tenants: Services['tenants']
  readonly tenantId: string
  readonly given: string | undefined
}

/** For a process that can show or keep the key: in others it would be lost. */
export const ensureOwnerKey = async (options: OwnerKeyOptions): Promise<OwnerKey> => {
  const { config, tenants, tenantId, given } = options
  if (given !== undefined) {
    await tenants.ownerKeys.adopt(tenantId, given)
    return { key: given, isNew: false }
  }
  const made = await tenants.ownerKeys.createFirst(tenantId)
  if (made !== undefined) return { key: made, isNew: true }
  const known = readCredentials(credentialsFile(config.AIDOS_DATA_DIR))?.key
  if (known !== undefined && (await isAccepted(known, tenants))) return { key: known, isNew: false }
  if (config.DB_CLIENT !== 'sqlite') return { key: undefined, isNew: false }
  // Whoever owns the folder owns the database: a lost key is replaced.
  const replaced = { tenantId, projectId: null, name: 'replaced key', scopes: ['*'], expiresAtMs: null }
  return { key: (await tenants.keys.create(replaced)).key, isNew: true }
}
