/** Finds the server: by options, by the environment, or by the file that a server leaves in its data folder. */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { makeClient } from '../sdk/client.ts'
import { cliErrors } from './errors.ts'
import type { Io } from './io.ts'
import { HOW_TO_START } from './next-steps.ts'

export interface Connection {
  readonly url: string
  readonly key: string
  /** Where they were found, for `doctor`. */
  readonly from: string
}

interface Given {
  readonly url?: string | undefined
  readonly key?: string | undefined
  readonly dataDir?: string | undefined
}

/** Throws `usage_invalid` naming where it was given. */
const checkUrl = (url: string, from: string): string => {
  const parsed = URL.parse(url)
  if (parsed && /^https?:$/.test(parsed.protocol)) return url
  throw cliErrors.usage_invalid(`${from} is ${JSON.stringify(url)}; allowed: a URL such as http://127.0.0.1:3000`)
}

export const credentialsFile = (io: Io, dataDir: string | undefined): string =>
  path.join(dataDir ?? (io.env.AIDOS_DATA_DIR || '.aidos'), 'credentials.json')

const readCredentials = (file: string): { url?: string; key?: string } | undefined => {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw cliErrors.file_unreadable(`${file} cannot be read: ${(error as Error).message}`, { cause: error })
  }
  try {
    return JSON.parse(text) as { url?: string; key?: string }
  } catch (error) {
    throw cliErrors.file_unreadable(`${file} is not JSON; remove it and start the server again`, { cause: error })
  }
}

/** Throws `no_server` or `no_key`, each with what to do. */
export const findConnection = (io: Io, given: Given): Connection => {
  const named = given.url ?? (io.env.AIDOS_URL || undefined)
  const url = named === undefined ? undefined : checkUrl(named, given.url === undefined ? 'AIDOS_URL' : '--url')
  const key = given.key ?? (io.env.AIDOS_KEY || undefined)
  if (url !== undefined && key !== undefined) return { url, key, from: given.url ? '--url' : 'AIDOS_URL' }
  const file = credentialsFile(io, given.dataDir)
  const stored = readCredentials(file)
  // A stored key belongs to its own server: it is never sent to another one.
  const isStored = url === undefined || url.replace(/\/+$/, '') === stored?.url?.replace(/\/+$/, '')
  const found = { url: url ?? stored?.url, key: key ?? (isStored ? stored?.key : undefined) }
  if (found.url === undefined)
    throw cliErrors.no_server(`no server is known here (${file} is not there).\n${HOW_TO_START}`)
  if (found.key === undefined) {
    throw cliErrors.no_key(`no key for ${found.url}: give --key or set AIDOS_KEY (${file} has none for it)`)
  }
  return { url: found.url, key: found.key, from: file }
}

export const connect = ({ url, key }: Connection) => makeClient({ url, key })
