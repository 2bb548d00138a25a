/** Reads a command line: which command is meant, and what it is given. */
import { parseArgs } from 'node:util'
import { AppError } from '../platform/errors.ts'
import type { Command, Options } from './command.ts'
import { cliErrors } from './errors.ts'
import { COMMON, SERVER } from './help.ts'
import { nearest } from './nearest.ts'

export interface Found {
  /** `run show`, as it is typed. */
  readonly path: string
  readonly command: Command
  readonly rest: readonly string[]
}

const guess = (given: string, known: readonly string[]): string => {
  const near = nearest(given, known)
  return near ? `; did you mean "${near}"?` : ''
}

/** The command that the first words name. A word that could name an inner command, and does not, is an argument. */
export const findCommand = (commands: readonly Command[], argv: readonly string[]): Found => {
  const [name = '', ...rest] = argv
  const command = commands.find((one) => one.name === name)
  if (!command) {
    const names = commands.map((one) => one.name)
    throw cliErrors.usage_invalid(
      `there is no command "${name}"${guess(name, names)}\n"aidos --help" lists all commands.`,
    )
  }
  return findInner({ path: name, command, rest })
}

const findInner = (found: Found): Found => {
  const { path, command, rest } = found
  const inner = command.commands ?? []
  const [word] = rest
  const sub = inner.find((one) => one.name === word)
  if (sub) return findInner({ path: `${path} ${sub.name}`, command: sub, rest: rest.slice(1) })
  const isWord = word !== undefined && !word.startsWith('-')
  if (inner.length > 0 && isWord && (command.takes?.[1] ?? 0) === 0) {
    const names = inner.map((one) => one.name)
    throw cliErrors.usage_invalid(
      `"aidos ${path}" has no command "${word}"${guess(word, names)}\nThere are: ${names.join(', ')}. "aidos ${path} --help" tells more.`,
    )
  }
  return found
}

export interface Arguments {
  readonly args: readonly string[]
  readonly values: Readonly<Record<string, string | boolean | readonly string[] | undefined>>
}

const optionsOf = (command: Command): Options => ({
  ...command.options,
  ...(command.usesServer ? SERVER : {}),
  ...COMMON,
})

const TYPES = {
  text: { type: 'string', multiple: false },
  flag: { type: 'boolean', multiple: false },
  list: { type: 'string', multiple: true },
} as const

const parse = (options: Options, rest: readonly string[], strict: boolean) =>
  parseArgs({
    args: [...rest],
    options: Object.fromEntries(
      Object.entries(options).map(([name, { type, short }]) => [name, { ...TYPES[type], ...(short ? { short } : {}) }]),
    ),
    allowPositionals: true,
    strict,
    tokens: true,
  })

/** Throws `usage_invalid`: what was given, what is nearest to it, where to read more. */
export const readArguments = ({ path, command, rest }: Found): Arguments => {
  const options = optionsOf(command)
  const { tokens } = parse(options, rest, false)
  for (const token of tokens ?? []) {
    if (token.kind !== 'option' || token.name in options) continue
    const shorts = Object.values(options).some((option) => option.short === token.name)
    if (shorts) continue
    throw cliErrors.usage_invalid(
      `"aidos ${path}" has no option ${token.rawName}${guess(token.name, Object.keys(options)).replace('"', '"--')}\n"aidos ${path} --help" lists its options.`,
    )
  }
  try {
    const { values, positionals } = parse(options, rest, true)
    if (!values.help) {
      checkCount(path, command, positionals)
      checkChoices(options, values as Arguments['values'])
    }
    return { args: positionals, values: values as Arguments['values'] }
  } catch (error) {
    if (error instanceof AppError) throw error
    throw cliErrors.usage_invalid(`${(error as Error).message}\n"aidos ${path} --help" shows how it is called.`)
  }
}

const checkChoices = (options: Options, values: Arguments['values']): void => {
  for (const [name, { choices }] of Object.entries(options)) {
    const given = values[name]
    if (!choices || typeof given !== 'string' || choices.includes(given)) continue
    throw cliErrors.usage_invalid(
      `--${name} is ${JSON.stringify(given)}${guess(given, choices)}; allowed: ${choices.join(', ')}`,
    )
  }
}

const checkCount = (path: string, command: Command, args: readonly string[]): void => {
  const [least, most] = command.takes ?? [0, 0]
  if (args.length >= least && args.length <= most) return
  const { usage: form = '' } = command
  const usage = `Usage: aidos ${path}${form === '' ? '' : ` ${form}`}`
  const extra = args[most]
  const missing = form.split(' ').filter((word) => /^[A-Z|]+$/.test(word))
  const needed = missing.slice(args.length, least).join(' and ') || 'more'
  const what = args.length < least ? `"aidos ${path}" needs ${needed}` : `"aidos ${path}" does not take "${extra}"`
  throw cliErrors.usage_invalid(`${what}\n${usage}`)
}
