/** Reads what commands are given as files, text or standard input. */
import { readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import type { Json, JsonObject } from '../platform/json.ts'
import { cliErrors } from './errors.ts'
import type { Io } from './io.ts'

/** All of standard input, as text. */
export const readAll = async (stdin: Io['stdin']): Promise<string> => {
  const chunks: Buffer[] = []
  for await (const chunk of stdin) chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks).toString()
}

/** A line that is typed and not shown. Throws `usage_invalid` when it is broken off. */
export const readHidden = async ({ stdin, stderr }: Io, prompt: string): Promise<string> => {
  stderr.write(prompt)
  stdin.setRawMode?.(true)
  const decoder = new TextDecoder()
  let typed = ''
  try {
    for await (const chunk of stdin) {
      for (const key of typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true })) {
        if (key === '\r' || key === '\n') return typed
        if (key === '\u0003' || key === '\u0004') throw cliErrors.usage_invalid('broken off; nothing was changed')
        typed = key === '\u007f' || key === '\b' ? typed.slice(0, -1) : typed + key
      }
    }
    return typed
  } finally {
    stdin.setRawMode?.(false)
    stderr.write('\n')
  }
}

const WHY: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EISDIR: 'this is a folder, not a file',
  EACCES: 'it may not be read',
}

export const readText = (file: string): Promise<string> =>
  readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    const why = WHY[error.code ?? ''] ?? error.message
    throw cliErrors.file_unreadable(`${file}: ${why}`, { cause: error })
  })

export const DEFINITION_FILE = /(\.asl)?\.(json|ya?ml)$/

/** The name under which a definition's file is stored. Throws `usage_invalid` where the file's own cannot be that. */
export const nameOfFile = (file: string): string => {
  const name = basename(file).replace(DEFINITION_FILE, '')
  if (/^[a-zA-Z0-9][a-zA-Z0-9._-]{0,99}$/.test(name)) return name
  const what = `"${name}" (of ${file}) cannot be the name of a workflow, which has letters, digits, dots, dashes and underscores`
  throw cliErrors.usage_invalid(`${what}; rename the file, or store it by "aidos workflows create FILE --name NAME"`)
}

/** JSON as it is, of a file (`@FILE`) or of standard input (`-`). Throws `input_invalid`, naming what was given. */
export const readJson = async (io: Io, given: string, option: string): Promise<Json> => {
  if (given === '-' && io.stdin.isTTY) io.stderr.write('Type the JSON; Ctrl-D on a line of its own ends it.\n')
  const text = given === '-' ? await readAll(io.stdin) : given.startsWith('@') ? await readText(given.slice(1)) : given
  try {
    return JSON.parse(text) as Json
  } catch (error) {
    const shown = text.length > 60 ? `${text.slice(0, 60)}…` : text
    throw cliErrors.input_invalid(
      `${option} is not JSON: ${(error as Error).message} (was ${shown})\nA text needs its quotes: ${option} '"a text"'. A file is @FILE, standard input is -.`,
      { cause: error },
    )
  }
}

/** A file in JSON or YAML, by the end of its name. */
export const readObjectFile = async (file: string): Promise<JsonObject> => {
  const text = await readText(file)
  const { parse } = await import('yaml')
  let value: unknown
  try {
    value = file.endsWith('.json') ? JSON.parse(text) : parse(text)
  } catch (error) {
    throw cliErrors.input_invalid(`${file}: ${(error as Error).message}`, { cause: error })
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject
  throw cliErrors.input_invalid(`${file} must hold an object`)
}
