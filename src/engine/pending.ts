/** The commands of a live run that have no answer yet. */
import type { Json } from '../platform/json.ts'
import { CALLED_OFF } from './branches.ts'
import type { Command } from './command.ts'
import { engineErrors } from './errors.ts'

export interface Pending {
  readonly command: Command
  resolve(value: Json): void
  reject(error: unknown): void
  /** The task or child run that answers it. */
  ref: string | undefined
  /** Its answer is in the inbox. */
  answered: boolean
  /** Steps: tries made, when the next one is due, and how to abort the one under way. */
  attempt: number
  retryAtMs: number | undefined
  abort: (() => void) | undefined
  /** The timeline says that it has begun. */
  announced: boolean
}

export interface PendingTable {
  readonly size: number
  /** Those that hold nothing while they wait: for time, a signal or a child run. */
  readonly waits: ReadonlySet<Pending>
  get(key: string): Pending | undefined
  values(): IterableIterator<Pending>
  add(command: Command, signal: AbortSignal): Promise<Json>
  /** Takes the command out because its answer is told. */
  take(key: string): Pending | undefined
  /** Commands asked for since the last call. */
  takeNew(): Pending[]
  hasNew(): boolean
  /** What was called off since the last call: their tasks, children and steps are to be ended. */
  takeCalledOff(): Pending[]
  /** One that was called off since then, by its task. */
  calledOffBy(taskId: string): Pending | undefined
  setRetry(pending: Pending, retryAtMs: number | undefined): void
}

const isWait = ({ command, retryAtMs }: Pending): boolean =>
  command.kind === 'timer' || command.kind === 'signal' || command.kind === 'run' || retryAtMs !== undefined

export const makePendingTable = (): PendingTable => {
  const table = new Map<string, Pending>()
  const waits = new Set<Pending>()
  let fresh: Pending[] = []
  // One listener per branch however many commands it waits for.
  const bySignal = new WeakMap<AbortSignal, Set<string>>()
  let calledOff: Pending[] = []

  const take = (key: string): Pending | undefined => {
    const pending = table.get(key)
    if (pending) waits.delete(pending)
    table.delete(key)
    return pending
  }

  const callOff = (signal: AbortSignal): void => {
    for (const key of bySignal.get(signal) ?? []) {
      const pending = take(key)
      if (!pending) continue
      calledOff.push(pending)
      pending.reject(calledOffError(key, signal))
    }
  }

  const watch = (signal: AbortSignal, key: string): void => {
    const keys = bySignal.get(signal)
    if (keys) {
      keys.add(key)
      return
    }
    bySignal.set(signal, new Set([key]))
    signal.addEventListener('abort', () => callOff(signal), { once: true })
  }

  const calledOffError = (key: string, signal: AbortSignal): Error =>
    engineErrors.run_cancelled(
      `${key} was called off: ${typeof signal.reason === 'string' ? signal.reason : 'the run was cancelled'}`,
    )

  return {
    get size() {
      return table.size
    },
    waits,
    get: (key) => table.get(key),
    values: () => table.values(),
    add(command, signal) {
      if (signal.aborted && signal.reason === CALLED_OFF) return Promise.reject(calledOffError(command.key, signal))
      // After a cancellation of the run its function may clean up: only what already waited is called off.
      if (!signal.aborted) watch(signal, command.key)
      return new Promise<Json>((resolve, reject) => {
        const pending: Pending = {
          command,
          resolve,
          reject,
          ref: undefined,
          answered: false,
          attempt: 0,
          retryAtMs: undefined,
          abort: undefined,
          announced: false,
        }
        table.set(command.key, pending)
        fresh.push(pending)
        if (isWait(pending)) waits.add(pending)
      })
    },
    take,
    hasNew: () => fresh.length > 0,
    takeNew() {
      const taken = fresh.filter((pending) => table.get(pending.command.key) === pending)
      fresh = []
      return taken
    },
    takeCalledOff() {
      const taken = calledOff
      calledOff = []
      return taken
    },
    calledOffBy: (taskId) => calledOff.find(({ ref }) => ref === taskId),
    setRetry(pending, retryAtMs) {
      pending.retryAtMs = retryAtMs
      if (isWait(pending)) waits.add(pending)
      else waits.delete(pending)
    },
  }
}
