/** Runs children of a distributed Map: each on its own, with no sight of the variables outside; one's failure is not another's. */
import type { Json } from '../platform/json.ts'
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
  /** After more failures than this no further child is started. */
  readonly toleratedFailures: number
  readonly signal: AbortSignal | undefined
  /** The scope that the Map is in; only its `Execution` is handed down. */
  readonly parent?: Scope
}

/** Resolves with one outcome for each item that was started, in the order of the items. */
export const runChildren = async (options: RunChildrenOptions): Promise<ChildOutcome[]> => {
  const { machine, items, key, concurrency, toleratedFailures, parent } = options
  // What happens inside a child is not part of the outer run's timeline: there may be very many.
  const run: RunState = { ...options.run, emit: () => 0 }
  const outcomes: ChildOutcome[] = []
  let failed = 0
  await runBranches({
    count: items.length,
    concurrency,
    parent: options.signal,
    async start(i, signal) {
      if (failed > toleratedFailures) return false
      const { index, input } = items[i]!
      const execution = { ...parent?.execution, Input: input }
      const scope = makeScope({ path: `${key}[${index}]`, signal, execution })
      const outcome = await settle(() => runMachine(run, machine, scope, input))
      if (outcome.status === 'FAILED') failed++
      outcomes[i] = outcome
      return true
    },
  })
  // Children end in any order; those that were never started leave no trace.
  return outcomes.filter((outcome) => outcome !== undefined)
}

const settle = async (work: () => Promise<Json>): Promise<ChildOutcome> => {
  try {
    return { status: 'SUCCEEDED', output: await work() }
  } catch (thrown) {
    if (thrown instanceof BranchStopped) throw thrown
    return { status: 'FAILED', ...nameAndCause(asAslError(thrown)) }
  }
}
