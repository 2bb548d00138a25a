/** The options of `npm run bench`. */
import { tmpdir } from 'node:os'
import { parseArgs } from 'node:util'
import { MEASURES } from './measures/index.ts'

export const HELP = `Measures AIDOS on its embedded default: SQLite with durable commits, one process that plays all roles. Beside each figure stands its
floor, measured in the same run: what bare SQLite or a bare Fastify server needs for the same.

  npm run bench -- [--only LIST] [--runs N] [--json FILE] [--idle SECONDS] [--dir DIR] [--profile DIR]

  --only LIST      some of: ${MEASURES.map(({ id }) => id).join(', ')} (comma-separated); all if left out
  --runs N         repeats of each measurement; 5 if left out
  --json FILE      writes the figures as JSON too
  --idle SECONDS   how long the idle system is watched; 60 if left out
  --dir DIR        where the databases lie; the folder for temporary files if left out. The disk decides much of it.
  --profile DIR    takes CPU profiles of the measured programs, and prints where their time went

${MEASURES.map(({ id, about }) => `  ${id.padEnd(8)} ${about}`).join('\n')}
`

export interface Options {
  readonly only: readonly string[]
  readonly runs: number
  readonly json: string | undefined
  readonly idleSeconds: number
  readonly dir: string
  readonly profileDir: string | undefined
  readonly help: boolean
}

const positive = (name: string, text: string): number => {
  const value = Number(text)
  if (Number.isInteger(value) && value > 0) return value
  throw new Error(`--${name} must be a whole number from 1, was ${JSON.stringify(text)}`)
}

const readOnly = (text: string | undefined): string[] => {
  const known = MEASURES.map(({ id }) => id)
  const wanted = text?.split(',').map((id) => id.trim()) ?? known
  const wrong = wanted.find((id) => !known.includes(id))
  if (wrong !== undefined) throw new Error(`--only has ${JSON.stringify(wrong)}; allowed: ${known.join(', ')}`)
  return wanted
}

export const readOptions = (args: readonly string[]): Options => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string' },
      runs: { type: 'string', default: '5' },
      json: { type: 'string' },
      idle: { type: 'string', default: '60' },
      dir: { type: 'string', default: tmpdir() },
      profile: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  return {
    only: readOnly(values.only),
    runs: positive('runs', values.runs),
    json: values.json,
    idleSeconds: positive('idle', values.idle),
    dir: values.dir,
    profileDir: values.profile,
    help: values.help,
  }
}
