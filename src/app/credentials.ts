/** Where an embedded start leaves its address and its first key, for the command line on the same machine: readable by its owner alone. */
import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

export interface Credentials {
  readonly url: string
  readonly key: string
}

export const credentialsFile = (dataDir: string): string => join(dataDir, 'credentials.json')

export const readCredentials = (file: string): Credentials | undefined => {
  try {
    const { url, key } = JSON.parse(readFileSync(file, 'utf8')) as Partial<Credentials>
    return typeof url === 'string' && typeof key === 'string' ? { url, key } : undefined
  } catch {
    return undefined
  }
}

export const writeCredentials = (file: string, credentials: Credentials): void => {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  const draft = `${file}.new`
  writeFileSync(draft, `${JSON.stringify(credentials, null, 2)}\n`, { mode: 0o600 })
  chmodSync(draft, 0o600)
  renameSync(draft, file)
}
