/** Runs children of a distributed Map: each on its own, with no sight of the variables outside; one's failure is not another's. */
import { createHash } from 'node:crypto'
import type { Json, JsonObject } from '../platform/json.ts'
import { runBranches } from './branches.ts'
import { asAslError, BranchStopped } from './errors.ts'
import type { ChildItem, ChildOutcome } from './host.ts'
import { runMachine } from './machine.ts'
import { nameAndCause } from './name-and-cause.ts'
import type { RunState } from './run-state.ts'
import { makeScope, type Scope } from './scope.ts'
import type { Machine } from './states/state.ts'

export interface RunChildrenOptions {
  readonly run: RunState
  readonly machine: Machine
  readonly items: readonly ChildItem[]
  /** What the keys of the children begin with. */
  readonly key: string
  readonly concurrency: number
  /** After more failures than this, counted by items, no further child is started. */
  readonly toleratedFailures: number
  readonly signal: AbortSignal | undefined
  /** The scope that the Map is in; only its `Execution` is handed down. */
  readonly parent?: Scope
}

/** Resolves with one outcome for each item that was started, in the order of the items. */
export const runChildren = async (options: RunChildrenOptions): Promise<ChildOutcome[]> => {
  const { machine, items, key, concurrency, toleratedFailures, parent } = options
  const outcomes: ChildOutcome[] = []
  let failed = 0
  await runBranches({
    count: items.length,
    concurrency,
    parent: options.signal,
    async start(i, signal) {
      if (failed > toleratedFailures) return false
      const { index, input } = items[i]!
      const path = `${key}[${index}]`
      const execution = executionOf(
        { ...(options.run.context.Execution as JsonObject), ...parent?.execution },
        path,
        input,
      )
      const scope = makeScope({ path, signal, execution })
      const outcome = await settle(() => runMachine(childRun(options.run), machine, scope, input))
      if (outcome.status === 'FAILED') failed += itemsIn(items[i]!)
      outcomes[i] = outcome
      return true
    },
  })
  // Children end in any order; those that were never started leave no trace.
  return outcomes.filter((outcome) => outcome !== undefined)
}

const itemsIn = ({ items = 1 }: ChildItem): number => items

/** The items in children that have ended, in the order of the children. */
export const countItems = (
  children: readonly ChildItem[],
  outcomes: readonly ChildOutcome[],
): { succeeded: number; failed: number } => {
  const count = { succeeded: 0, failed: 0 }
  for (let i = 0; i < outcomes.length; i++) {
    count[outcomes[i]!.status === 'FAILED' ? 'failed' : 'succeeded'] += itemsIn(children[i]!)
  }
  return count
}

/** What happens inside a child is not part of the outer run's timeline, there may be very many: it counts its own events. */
const childRun = (run: RunState): RunState => {
  // The first one is that it has begun.
  let events = 1
  return { ...run, emit: () => ++events }
}

/** A child is an execution of its own: what its states name after it must not be another's, and be the same on replay. */
const executionOf = ({ Id }: JsonObject, path: string, input: Json): JsonObject => {
  if (typeof Id !== 'string') return { Input: input }
  const Name = asUuid(createHash('sha256').update(`${Id}/${path}`).digest('hex'))
  return { Id: `${Id}/${Name}`, Name, Input: input }
}

/** Version 8 of RFC 9562: what the other bits mean is nobody's business. */
const asUuid = (hex: string): string =>
  `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`

const settle = async (work: () => Promise<Json>): Promise<ChildOutcome> => {
  try {
    return { status: 'SUCCEEDED', output: await work() }
  } catch (thrown) {
    if (thrown instanceof BranchStopped) throw thrown
    return { status: 'FAILED', ...nameAndCause(asAslError(thrown)) }
  }
}
