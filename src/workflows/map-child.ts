/** Distributed Maps: groups of children are runs of their own, of the same workflow and version, with the group as their input. */
import {
  AslError,
  type AslHost,
  type ChildItem,
  type ChildOutcome,
  countItems,
  type GroupSummary,
  type Program,
  runItems,
} from '../asl/index.ts'
import {
  type CommandSink,
  commandsOf,
  engineErrors,
  type Run,
  RunError,
  type WorkflowFunction,
} from '../engine/index.ts'
import type { Json, JsonObject } from '../platform/json.ts'
import { contextOf } from './asl-host.ts'
import { toAslError } from './asl-task.ts'
import { type MapStores, makeMapIo, type ResultsPlace } from './map-io.ts'

/** The field that makes the input of a child run a group of a Map's children. */
const GROUP = 'aidos:map'

interface Group {
  /** Of the Map's item processor in the definition. */
  readonly pointer: string
  readonly items: readonly ChildItem[]
  readonly concurrency: number
  /** Null: any number. */
  readonly toleratedFailures: number | null
  /** Where the group writes its results by itself; null: it hands them to its parent. */
  readonly results: ResultsPlace | null
}

/** What the outcomes of one child may take, beyond its output: its error, and what JSON puts around it. */
const AROUND_BYTES = 33_000

export const isGroup = (input: Json): boolean =>
  typeof input === 'object' && input !== null && !Array.isArray(input) && Object.hasOwn(input, GROUP)

const groupOf = (input: Json): Group => (input as JsonObject)[GROUP] as unknown as Group

/**
 * Only a Map gives birth to such a run: input of the same form from anywhere else is data. What tells them apart is the key of the
 * command, which ends in the number of the group's first item; those of other states cannot, since names have no brackets in keys.
 */
export const isGroupRun = ({ parentRunId, parentKey, input }: Run): boolean => {
  const number = /\[(\d+)\]$/.exec(parentKey ?? '')?.[1]
  return (
    parentRunId !== null &&
    number !== undefined &&
    isGroup(input) &&
    number === String(groupOf(input)?.items?.[0]?.index)
  )
}

export const makeChildRun =
  (sink: CommandSink, run: Run, runSignal: AbortSignal): NonNullable<AslHost['childRun']> =>
  async ({ key, pointer, items, concurrency, toleratedFailures, results, signal }) => {
    const tolerated = Number.isFinite(toleratedFailures) ? toleratedFailures : null
    const place = (results ?? null) as unknown as ResultsPlace | null
    const group: Group = { pointer, items, concurrency, toleratedFailures: tolerated, results: place }
    const input = { [GROUP]: group as unknown as Json }
    const { target, version } = run
    const command = { kind: 'run' as const, key, runKind: 'workflow' as const, target, version, input }
    const asked = sink.request({ ...command, priority: undefined, timeoutMs: undefined }, signal ?? runSignal)
    const outcomes = await asked.catch((error: unknown) => {
      throw toAslError(error)
    })
    return outcomes as unknown as ChildOutcome[] | GroupSummary
  }

export interface GroupFunctionOptions {
  readonly program: Program
  readonly run: Run
  readonly stores: MapStores
  readonly payloadLimitBytes: number
  makeHost(sink: CommandSink, signal: AbortSignal): Promise<AslHost>
}

/** The function of a run that is a group: its output are the outcomes of the children, which the parent alone reads. */
export const makeGroupFunction = ({ program, run, stores, payloadLimitBytes, makeHost }: GroupFunctionOptions) => {
  const group = groupOf(run.input)
  const fn: WorkflowFunction = async (ctx) => {
    const signal = ctx.abortSignal
    const context = contextOf(run, ctx.now())
    const { pointer, items, concurrency, toleratedFailures } = group
    const outcomes = await runItems(program, {
      ...{ pointer, items, concurrency, signal },
      toleratedFailures: toleratedFailures ?? Number.POSITIVE_INFINITY,
      host: await makeHost(commandsOf(ctx), signal),
      context,
    }).catch((error: unknown) => {
      throw signal.aborted ? engineErrors.run_cancelled('the run was cancelled') : error
    })
    if (!group.results) return outcomes
    const { writeGroup } = makeMapIo(commandsOf(ctx), signal, stores)
    const written = await writeGroup(group.results, 'results', items, outcomes).catch((error: unknown) => {
      // Its name travels to the parent as the code of the run.
      throw error instanceof AslError ? new RunError({ code: `${error.error}`, message: `${error.causeText}` }) : error
    })
    const failed = outcomes.filter(({ status }) => status === 'FAILED').length
    const counts = { succeeded: outcomes.length - failed, failed, items: countItems(items, outcomes) }
    return { ...counts, written: written as unknown as Json }
  }
  return Object.assign(fn, { outputLimitBytes: group.items.length * (payloadLimitBytes + AROUND_BYTES) })
}
