/** One use of a command: typed access to what was given, and the ways to answer. */
import { readFileSync } from 'node:fs'
import { parseEnv } from 'node:util'
import { messageOf } from '../platform/errors.ts'
import type { Client } from '../sdk/client.ts'
import type { Arguments } from './arguments.ts'
import type { CommandCall } from './command.ts'
import { connect, findConnection } from './connection.ts'
import { cliErrors } from './errors.ts'
import type { Io } from './io.ts'
import type { Style } from './style.ts'

/** Settings of a file, beneath those of the environment. */
const withFile = (io: Io, file: unknown): Io => {
  if (typeof file !== 'string') return io
  try {
    return { ...io, env: { ...parseEnv(readFileSync(file, 'utf8')), ...io.env } }
  } catch (error) {
    throw cliErrors.file_unreadable(`--env-file ${file} cannot be read: ${messageOf(error)}`, { cause: error })
  }
}

export const makeCall = (given: Io, { args, values }: Arguments, style: Style): CommandCall => {
  const isJson = values.json === true
  const io = withFile(given, values['env-file'])
  let client: Client | undefined
  const text = (name: string): string | undefined => {
    const value = values[name]
    return typeof value === 'string' ? value : undefined
  }
  return {
    io,
    args,
    style,
    isJson,
    text,
    flag: (name) => values[name] === true,
    list: (name) => (Array.isArray(values[name]) ? values[name] : []),
    integer(name, least, most = Number.MAX_SAFE_INTEGER) {
      const given = text(name)
      if (given === undefined) return undefined
      const value = /^\d+$/.test(given) ? Number(given) : Number.NaN
      if (value >= least && value <= most) return value
      const range = most === Number.MAX_SAFE_INTEGER ? `from ${least}` : `from ${least} to ${most}`
      throw cliErrors.usage_invalid(`--${name} is ${JSON.stringify(given)}; allowed: a whole number ${range}`)
    },
    client() {
      client ??= connect(findConnection(io, { url: text('url'), key: text('key'), dataDir: text('data-dir') }))
      return client
    },
    show(value, toText) {
      const shown = isJson ? JSON.stringify(value ?? null, null, 2) : toText()
      io.stdout.write(shown.endsWith('\n') ? shown : `${shown}\n`)
    },
    say(line) {
      if (!isJson) io.stdout.write(`${line}\n`)
    },
  }
}
