/** Reads and writes whole files, with a bound on their size, as text, JSON or bytes in base64. */
import { randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import fs from 'node:fs/promises'
import path from 'node:path'
import type { Json } from '../../platform/json.ts'
import { fileErrors } from './paths.ts'

export const MOST_BYTES = 4 * 1024 * 1024

export type Encoding = 'utf8' | 'base64' | 'json'

/** `real` has no links in it: one that has come to stand there since is not followed. */
export const readFileUpTo = async (real: string, at: string, maxBytes: number): Promise<Buffer> => {
  // Without O_NONBLOCK a named pipe would hold the open until somebody writes to it.
  const file = await fs.open(real, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  try {
    const stats = await file.stat()
    if (!stats.isFile()) throw fileErrors.file_invalid(`${at} is not a file`)
    if (stats.size > maxBytes) throw fileErrors.file_too_large(`${at} has ${stats.size} bytes, more than ${maxBytes}`)
    // One byte more than told: a file that grows meanwhile, or tells no size at all, is found out.
    const bytes = Buffer.alloc(Math.min(stats.size, maxBytes) + 1)
    let length = 0
    for (;;) {
      const { bytesRead } = await file.read(bytes, length, bytes.length - length)
      length += bytesRead
      if (bytesRead === 0) return bytes.subarray(0, length)
      if (length === bytes.length) throw fileErrors.file_too_large(`${at} grew while it was read`)
    }
  } finally {
    await file.close()
  }
}

/** In a file beside it first, so that nobody ever sees half of it. */
export const writeWhole = async (real: string, bytes: Buffer, overwrite: boolean): Promise<void> => {
  await fs.mkdir(path.dirname(real), { recursive: true })
  const temporary = path.join(path.dirname(real), `.${path.basename(real).slice(0, 100)}.${randomUUID()}.tmp`)
  try {
    await fs.writeFile(temporary, bytes, { flag: 'wx' })
    if (overwrite) await fs.rename(temporary, real)
    else await linkOrCompare(temporary, real, bytes)
  } finally {
    await fs.rm(temporary, { force: true })
  }
}

/** A second attempt at the same task finds its own file: that is no failure. */
const linkOrCompare = async (temporary: string, real: string, bytes: Buffer): Promise<void> => {
  try {
    await fs.link(temporary, real)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    const there = await readFileUpTo(real, 'the file', MOST_BYTES).catch(() => undefined)
    if (!there?.equals(bytes)) throw fileErrors.file_exists('the file is there already, with other content')
  }
}

export const decode = (bytes: Buffer, encoding: Encoding, at: string): Json => {
  if (encoding === 'base64') return bytes.toString('base64')
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: encoding === 'utf8' }).decode(bytes)
    return encoding === 'json' ? (JSON.parse(text) as Json) : text
  } catch (error) {
    const what = error instanceof SyntaxError ? 'JSON' : 'text in UTF-8 (read it as base64)'
    throw fileErrors.file_invalid(`${at} is not ${what}`, { cause: error })
  }
}

export const encode = (content: Json, encoding: Encoding): Buffer => {
  if (encoding === 'json') return Buffer.from(`${JSON.stringify(content, null, 2)}\n`)
  if (typeof content !== 'string') throw fileErrors.file_invalid('content must be text, or encoding must be json')
  return Buffer.from(content, encoding)
}
