/** What every measurement is given: how often, where, and the programs that it may ask. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Figure } from './figure.ts'
import type { InsertInput } from './programs/floor.ts'
import { type Program, type ProgramOptions, startProgram } from './support/program.ts'

export interface BenchOptions {
  /** Repeats of each measurement. */
  readonly runs: number
  /** How long the idle system is watched. */
  readonly idleSeconds: number
  readonly folder: string
  /** Where CPU profiles go, if they are taken. */
  readonly profileDir: string | undefined
  readonly say: (line: string) => void
}

export interface Bench extends BenchOptions {
  /** Bare inserts, in a process of their own. */
  readonly floor: Program
  /** A new, empty folder. */
  makeFolder(name: string): Promise<string>
  /** The program's profile is taken where profiles are wanted. */
  start(options: ProgramOptions): Promise<Program>
  /** Milliseconds of each of so many commits in bare SQLite, right now. */
  commitsMs(input: InsertInput): Promise<number[]>
  /** Milliseconds that one row takes there, as a mean. */
  rowMs(input: Omit<InsertInput, 'commits'>): Promise<number>
  /** `one` for each repeat. */
  repeat<T>(one: (index: number) => Promise<T>): Promise<T[]>
  stop(): Promise<void>
}

export interface Measure {
  readonly id: string
  readonly about: string
  run(bench: Bench): Promise<Figure[]>
}

/** Commits of a floor's sample: enough for a stable mean, and less than half a second on a slow disk. */
const FLOOR_COMMITS = 100
/** Until SQLite writes over its log from the front: as long as the log grows, the disk has more to do for each commit. */
const FLOOR_WARM_UP = 1500

export const startBench = async (options: BenchOptions): Promise<Bench> => {
  let folders = 0
  const makeFolder = async (name: string): Promise<string> => {
    const made = join(options.folder, `${++folders}-${name}`)
    await mkdir(made)
    return made
  }
  const floor = await startProgram({ name: 'floor', args: [await makeFolder('floor')] })
  await floor.ask('insert', { shape: 'row', group: 1, commits: FLOOR_WARM_UP } satisfies InsertInput)
  const commitsMs = (input: InsertInput): Promise<number[]> => floor.ask('insert', input)
  return {
    ...options,
    floor,
    makeFolder,
    start: (program) => {
      const { profileDir } = options
      const nodeOptions = profileDir === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileDir}`]
      return startProgram({ ...program, nodeOptions })
    },
    commitsMs,
    async rowMs(input) {
      const times = await commitsMs({ ...input, commits: FLOOR_COMMITS })
      return times.reduce((sum, ms) => sum + ms, 0) / (FLOOR_COMMITS * input.group)
    },
    async repeat(one) {
      const results = []
      for (let i = 0; i < options.runs; i++) results.push(await one(i))
      return results
    },
    stop: () => floor.stop(),
  }
}
