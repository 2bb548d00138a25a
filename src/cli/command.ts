/** What a command is: the help is made of it, its arguments are read by it. */
import type { Client } from '../sdk/client.ts'
import type { Io } from './io.ts'
import type { Style } from './style.ts'

export interface Option {
  readonly type: 'text' | 'flag' | 'list'
  readonly short?: string
  /** How the help calls the value, e.g. `FILE`. */
  readonly value?: string
  /** All that is allowed; the help lists it after `about`. */
  readonly choices?: readonly string[]
  readonly about: string
}

/** The exit status of a watch that Ctrl-C ended; what was watched goes on. */
export const BROKEN_OFF = 130

export type Options = Readonly<Record<string, Option>>

export interface Example {
  readonly line: string
  readonly about: string
}

export interface Command {
  readonly name: string
  /** One line, in the list of commands. */
  readonly summary: string
  /** Without the name: `FILE|NAME [options]`. */
  readonly usage?: string
  /** What it is and when to use it. */
  readonly about?: string
  readonly options?: Options
  /** Talks to a server: takes --url, --key and --data-dir. */
  readonly usesServer?: boolean
  readonly examples?: readonly Example[]
  /** What to do after it. */
  readonly next?: readonly string[]
  /** How many arguments without a name it takes; default none. */
  readonly takes?: readonly [least: number, most: number]
  readonly commands?: readonly Command[]
  /** Resolves with the exit status. */
  run?(call: CommandCall): Promise<number>
}

/** One use of a command: its arguments, and the ways to answer. */
export interface CommandCall {
  readonly io: Io
  readonly args: readonly string[]
  readonly style: Style
  readonly isJson: boolean
  flag(name: string): boolean
  text(name: string): string | undefined
  list(name: string): readonly string[]
  /** Throws a usage error when it is no whole number from `least` to `most`. */
  integer(name: string, least: number, most?: number): number | undefined
  client(): Client
  /** With --json the value as JSON, else the text. */
  show(value: unknown, toText: () => string): void
  /** A line for people: left out with --json. */
  say(text: string): void
}
