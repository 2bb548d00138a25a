/** Where the results of a distributed Map go: the state's result itself, or a place that `ResultWriter` names. */
import type { Json, JsonObject } from '../../platform/json.ts'
import { compileOptional } from '../data-flow.ts'
import { AslError, askHost, STATES } from '../errors.ts'
import type { ChildItem, ChildOutcome, GroupSummary, OpenResultsRequest } from '../host.ts'
import { shapeResults } from '../items/result-record.ts'
import { tooLarge } from '../limits.ts'
import type { QueryLanguage } from '../query/focus.ts'
import { countItems } from '../run-children.ts'
import type { RunState } from '../run-state.ts'
import type { Visit } from '../visit.ts'

export interface Results {
  /** For groups that write by themselves. */
  readonly place?: Json | undefined
  add(children: readonly ChildItem[], ended: readonly ChildOutcome[] | GroupSummary): Promise<void>
  /** The result of the state. */
  close(): Promise<Json>
}

export type OpenResults = (visit: Visit, effective: Json, key: string) => Promise<Results>

export const compileResults = (state: JsonObject, language: QueryLanguage): OpenResults => {
  const writer = state.ResultWriter as JsonObject | undefined
  if (!writer || Object.keys(writer).length === 0) return async (visit) => makeList(visit.run)
  const toParameters = compileOptional(
    language === 'JSONata' ? writer.Arguments : writer.Parameters,
    `ResultWriter/${language === 'JSONata' ? 'Arguments' : 'Parameters'}`,
    language,
  )
  const config = (writer.WriterConfig ?? {}) as JsonObject
  if (writer.Resource === undefined) return async (visit) => makeList(visit.run, config)
  return async (visit, effective, key) => {
    const parameters = toParameters ? await toParameters(visit.focus(effective)) : {}
    const { host } = visit.run
    if (!host.openResults) throw new AslError(STATES.resultWriterFailed, 'Nothing here can write the results of a Map.')
    const request: OpenResultsRequest = {
      key: `${key}:results`,
      state: visit.state,
      resource: writer.Resource as string,
      parameters,
      config,
      ...(visit.scope.signal ? { signal: visit.scope.signal } : {}),
    }
    const ask = <T>(work: () => Promise<T>): Promise<T> => askHost(STATES.resultWriterFailed, work)
    const sink = await ask(() => host.openResults!(request))
    let succeeded = 0
    let failed = 0
    return {
      place: sink.place,
      async add(children, ended) {
        const counts = countOf(ended)
        succeeded += counts.succeeded
        failed += counts.failed
        await ask(async () => (isSummary(ended) ? sink.wrote?.(ended.written) : sink.write(children, ended)))
      },
      close: () => ask(() => sink.close({ succeeded, failed })),
    }
  }
}

const isSummary = (ended: readonly ChildOutcome[] | GroupSummary): ended is GroupSummary => 'written' in ended

export const countOf = (ended: readonly ChildOutcome[] | GroupSummary): { succeeded: number; failed: number } => {
  if (isSummary(ended)) return ended
  const failed = ended.filter(({ status }) => status === 'FAILED').length
  return { succeeded: ended.length - failed, failed }
}

/** Of the items in them, where children are batches. */
export const itemsOf = (
  children: readonly ChildItem[],
  ended: readonly ChildOutcome[] | GroupSummary,
): { readonly succeeded: number; readonly failed: number } => {
  if (!isSummary(ended)) return countItems(children, ended)
  return ended.items ?? ended
}

/** What the children that succeeded gave, in the order of their items. */
const makeList = (run: RunState, { Transformation = 'COMPACT' }: JsonObject = {}): Results => {
  // By the first child of each group: groups end in any order.
  const groups: (Json[] | undefined)[] = []
  let bytes = 0
  return {
    async add(children, ended) {
      const first = children[0]
      if (!first || isSummary(ended)) return
      const group = shapeResults(children, ended, 'SUCCEEDED', Transformation)
      // The list could not leave the state: it is not held until the end to find that out.
      bytes += run.scale.bytes(group) - 2
      if (bytes > run.limits.payloadBytes) throw tooLarge('The result of the Map')
      groups[first.index] = group
    },
    close: async () => groups.flatMap((group) => group ?? []),
  }
}
