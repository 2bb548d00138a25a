/** Finds the server: by options, by the environment, or by the file that a server leaves in its data folder. */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { makeClient } from '../sdk/client.ts'
import { cliErrors } from './errors.ts'
import type { Io } from './io.ts'

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

const HOW_TO_START =
  'Start one with "aidos start" (leave it running, use another terminal), or name one with --url and --key.'

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
  const url = given.url ?? (io.env.AIDOS_URL || undefined)
  const key = given.key ?? (io.env.AIDOS_KEY || undefined)
  if (url !== undefined && key !== undefined) return { url, key, from: given.url ? 'the options' : 'the environment' }
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

/** A client whose errors tell how to start a server where none answers. */
export const connect = (connection: Connection) => {
  const { url, key } = connection
  const guarded: typeof fetch = async (input, init) => {
    try {
      return await fetch(input, init)
    } catch (error) {
      const cause = (error as { cause?: { code?: string } }).cause
      if (cause?.code !== 'ECONNREFUSED') throw error
      throw Object.assign(new Error(`nobody listens there. ${HOW_TO_START}`), { cause: undefined })
    }
  }
  return makeClient({ url, key, fetch: guarded })
}
