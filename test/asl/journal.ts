/**
 * A host that journals what it answers, as a durable engine does, over a world whose behaviour follows from a seed.
 * A run can be killed after any answer and taken up again by playing back the journal.
 */
import {
  AslError,
  type AslHost,
  type Program,
  type RunLimits,
  type RunResult,
  run,
  type TaskRequest,
} from '../../src/asl/index.ts'
import type { Json } from '../../src/platform/json.ts'

/** One answer that was given to the run. */
export interface Entry {
  readonly key: string
  readonly outcome: { readonly output: Json } | { readonly error: string; readonly cause?: string }
  /** The clock when it was given. */
  readonly atMs: number
}

export interface World {
  /** What a task gives; the same for the same key. */
  answer(request: TaskRequest): Entry['outcome']
  /** Which of the open calls is answered next; the same for the same set of keys. */
  choose(keys: readonly string[]): string
}

export interface JournaledOptions {
  readonly program: Program
  readonly input: Json
  readonly world: World
  readonly journal: readonly Entry[]
  /** Kills the run when the journal has this many entries. */
  readonly killAt?: number
  readonly limits?: Partial<RunLimits>
}

export interface Journaled {
  /** `undefined` when the run was killed. */
  readonly result: RunResult | undefined
  readonly journal: readonly Entry[]
  readonly timeline: readonly string[]
}

interface Call {
  readonly key: string
  readonly dueMs: number
  readonly outcome: Entry['outcome']
  resolve(value: Json): void
  reject(error: unknown): void
  leave(): void
}

/** More answers than this mean that the run does not end. */
const MOST_ANSWERS = 5_000

export const runJournaled = async (options: JournaledOptions): Promise<Journaled> => {
  const { program, input, world, killAt = Number.POSITIVE_INFINITY, limits } = options
  const journal: Entry[] = []
  const timeline: string[] = []
  const calls = new Map<string, Call>()
  let nowMs = Date.UTC(2026, 0, 1)
  let draws = 0
  const open = (key: string, dueMs: number, outcome: Entry['outcome'], signal?: AbortSignal): Promise<Json> =>
    new Promise((resolve, reject) => {
      if (calls.has(key)) throw new Error(`the key ${key} was used twice at once`)
      const onAbort = (): void => void calls.delete(key)
      // One signal serves all calls of a branch: whoever is done leaves it, or each further call would look through all before it.
      const leave = (): void => signal?.removeEventListener('abort', onAbort)
      calls.set(key, { key, dueMs, outcome, resolve, reject, leave })
      signal?.addEventListener('abort', onAbort, { once: true })
    })
  const host: AslHost = {
    now: () => nowMs,
    random: () => (++draws % 97) / 97,
    uuid: () => `uuid-${++draws}`,
    task: (request) => open(request.key, nowMs, world.answer(request), request.signal),
    sleepUntil: async (key, atMs, signal) => {
      await open(key, atMs, { output: null }, signal)
    },
    onTransition: ({ type, scope, state }) => {
      timeline.push(`${type} ${scope} ${state ?? ''}`)
    },
  }
  let result: RunResult | undefined
  void run(program, { input, host, ...(limits ? { limits } : {}) }).then((ended) => {
    result = ended
  })
  const give = (entry: Entry): void => {
    const call = calls.get(entry.key)
    if (!call) throw new Error(`replay asked for other things than before: nobody waits for ${entry.key}`)
    calls.delete(entry.key)
    call.leave()
    nowMs = entry.atMs
    journal.push(entry)
    if ('output' in entry.outcome) call.resolve(entry.outcome.output)
    else call.reject(new AslError(entry.outcome.error, entry.outcome.cause))
  }
  await settle()
  for (const entry of options.journal) {
    give(entry)
    await settle()
  }
  while (!result && journal.length < killAt) {
    if (calls.size === 0) throw new Error('the run waits for nothing and does not end')
    if (journal.length > MOST_ANSWERS) throw new Error('the run does not end')
    give(nextEntry([...calls.values()], nowMs, world))
    await settle()
  }
  return { result, journal, timeline }
}

/** All microtasks, however long their chain is. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Tasks first, in an order that the world chooses; time passes only when nothing else is open. */
const nextEntry = (calls: readonly Call[], nowMs: number, world: World): Entry => {
  const ready = calls.filter((call) => call.dueMs <= nowMs)
  const key = ready.length > 0 ? world.choose(ready.map((call) => call.key).sort()) : earliest(calls).key
  const call = calls.find((one) => one.key === key)!
  return { key, outcome: call.outcome, atMs: Math.max(nowMs, call.dueMs) }
}

const earliest = (calls: readonly Call[]): Call =>
  calls.reduce((a, b) => (b.dueMs < a.dueMs || (b.dueMs === a.dueMs && b.key < a.key) ? b : a))
