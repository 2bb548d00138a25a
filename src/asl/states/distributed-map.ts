/** Map, distributed: each item, or batch of items, is the input of a child execution of its own. */
import type { Json, JsonObject } from '../../platform/json.ts'
import { runBranches } from '../branches.ts'
import { compileDataFlow } from '../data-flow.ts'
import { asAslError, askHost, STATES } from '../errors.ts'
import type { ChildItem, ChildOutcome, ChildRunRequest, GroupSummary } from '../host.ts'
import { nameAndCause } from '../name-and-cause.ts'
import { runChildren } from '../run-children.ts'
import type { Visit } from '../visit.ts'
import { compileFeed, type FeedPlan } from './map-feed.ts'
import { compileNumber } from './map-fields.ts'
import { compileResults, countOf, itemsOf } from './map-results.ts'
import { compileTolerance, type FailureAccount, type Tolerance } from './map-tolerance.ts'
import { type CompileContext, type Execute, type Machine, nextOf } from './state.ts'

export const compileDistributedMap = (
  state: JsonObject,
  processor: JsonObject,
  machine: Machine,
  context: CompileContext,
): Execute => {
  const { name, language } = context
  const pointer = `${context.pointer}/${state.ItemProcessor ? 'ItemProcessor' : 'Iterator'}`
  context.registerProcessor(pointer, machine)
  const config = (processor.ProcessorConfig ?? {}) as JsonObject
  const executionType = config.ExecutionType === 'EXPRESS' ? 'EXPRESS' : 'STANDARD'
  const label = typeof state.Label === 'string' ? state.Label : name
  const flow = compileDataFlow({ ...state, Parameters: undefined } as unknown as JsonObject, language)
  const toConcurrency = compileNumber(state, { name: 'MaxConcurrency', whole: true }, language)
  const toTolerance = compileTolerance(state, language)
  const planFeed = compileFeed(state, language)
  const openResults = compileResults(state, language)
  const next = nextOf(state)

  const runAll = async (visit: Visit, effective: Json, key: string): Promise<Json> => {
    const { run, scope } = visit
    const about = { scope: scope.path, state: name }
    const wanted = (await toConcurrency(visit, effective)) ?? 0
    visit.inspect?.('maxConcurrency', wanted)
    const plan = await planFeed(visit, effective)
    const length = plan.inputLength
    run.emit({ type: 'MapStateStarted', ...about, ...(length === undefined ? {} : { length }) })
    const tolerance = await toTolerance(visit, effective)
    if (visit.substitute) {
      const feed = await plan.open(key)
      let children = 0
      for (let given = -1; given !== 0; children += given) given = (await feed.next(1_000)).length
      return substituted(visit.substitute(length ?? children), tolerance(length))
    }
    run.emit({ type: 'MapRunStarted', ...about, key })
    try {
      const result = await runChildRuns(visit, effective, { key, plan, wanted, tolerance })
      run.emit({ type: 'MapRunSucceeded', ...about })
      return result
    } catch (thrown) {
      if (!scope.signal?.aborted) run.emit({ type: 'MapRunFailed', ...about, ...nameAndCause(asAslError(thrown)) })
      throw thrown
    }
  }

  const runChildRuns = async (
    visit: Visit,
    effective: Json,
    { key, plan, wanted, tolerance }: MapRun,
  ): Promise<Json> => {
    const { run, scope } = visit
    const { host, limits } = run
    const about = { scope: scope.path, state: name }
    const feed = await plan.open(key)
    const results = await openResults(visit, effective, key)
    const account = tolerance(feed.items)
    const progress = makeProgress(feed.count, (ended) => run.emit({ type: 'MapRunProgress', ...about, key, ...ended }))
    // Elsewhere, children go in groups: one journal entry of this run for each group, not for each child.
    const most = Math.min(wanted === 0 ? Number.POSITIVE_INFINITY : wanted, limits.distributedConcurrency)
    const groupSize = host.childRun ? limits.itemsPerChildRun : 1
    const concurrency = Math.min(most, groupSize)
    const runGroup = (
      items: readonly ChildItem[],
      signal: AbortSignal,
    ): Promise<readonly ChildOutcome[] | GroupSummary> => {
      const toleratedFailures = account.left()
      if (!host.childRun)
        return runChildren({ run, machine, items, key, concurrency, toleratedFailures, signal, parent: scope })
      const groupKey = `${key}[${items[0]!.index}]`
      const request: ChildRunRequest = {
        ...{ key: groupKey, state: name, pointer, executionType, label, items, concurrency, toleratedFailures, signal },
        ...(results.place === undefined ? {} : { results: results.place }),
      }
      return askHost(STATES.taskFailed, () => host.childRun!(request))
    }
    await runBranches({
      count: Number.POSITIVE_INFINITY,
      concurrency: Math.max(1, Math.floor(most / concurrency)),
      parent: scope.signal,
      async start(_, signal) {
        const items = await feed.next(groupSize)
        if (items.length === 0) return false
        const ended = await runGroup(items, signal)
        account.count(itemsOf(items, ended))
        await results.add(items, ended)
        progress(countOf(ended))
        return true
      },
    })
    account.finish()
    return results.close()
  }

  /** A count of failures alone says nothing unless the definition tolerates some. */
  const substituted = ({ result, failures }: { result: Json; failures: number }, account: FailureAccount): Json => {
    if (state.ToleratedFailureCount !== undefined || state.ToleratedFailurePercentage !== undefined) {
      account.count({ succeeded: 0, failed: failures })
    }
    return result
  }

  return async (visit) => {
    const { run, scope } = visit
    const key = scope.nextKey(name)
    const result = await runAll(visit, flow.effectiveInput(visit), key)
    run.emit({ type: 'MapStateSucceeded', scope: scope.path, state: name })
    return { ...(await flow.finish(visit, result)), next }
  }
}

/** What is settled before any child runs. */
interface MapRun {
  readonly key: string
  readonly plan: FeedPlan
  readonly wanted: number
  readonly tolerance: Tolerance
}

/** Reports how far the Map has come, about a hundred times in all. */
const makeProgress = (
  total: number | undefined,
  report: (ended: { succeeded: number; failed: number }) => void,
): ((ended: { readonly succeeded: number; readonly failed: number }) => void) => {
  const every = Math.max(1, Math.ceil((total ?? 10_000) / 100))
  let succeeded = 0
  let failed = 0
  let next = every
  return (ended) => {
    succeeded += ended.succeeded
    failed += ended.failed
    if (succeeded + failed < next) return
    next = succeeded + failed + every
    report({ succeeded, failed })
  }
}
