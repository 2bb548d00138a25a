/** Where the results of a distributed Map go: the state's result itself, or a place that `ResultWriter` names. */
import type { Json, JsonObject } from '../../platform/json.ts'
import { compileOptional } from '../data-flow.ts'
import { AslError, askHost, STATES } from '../errors.ts'
import type { ChildItem, ChildOutcome, OpenResultsRequest } from '../host.ts'
import { shapeResults } from '../items/result-record.ts'
import type { QueryLanguage } from '../query/focus.ts'
import type { Visit } from '../visit.ts'

export interface Results {
  add(children: readonly ChildItem[], outcomes: readonly ChildOutcome[]): Promise<void>
  /** The result of the state. */
  close(): Promise<Json>
}

export type OpenResults = (visit: Visit, effective: Json, key: string) => Promise<Results>

export const compileResults = (state: JsonObject, language: QueryLanguage): OpenResults => {
  const writer = state.ResultWriter as JsonObject | undefined
  if (!writer || Object.keys(writer).length === 0) return async () => makeList()
  const toParameters = compileOptional(
    language === 'JSONata' ? writer.Arguments : writer.Parameters,
    `ResultWriter/${language === 'JSONata' ? 'Arguments' : 'Parameters'}`,
    language,
  )
  const config = (writer.WriterConfig ?? {}) as JsonObject
  if (writer.Resource === undefined) return async () => makeList(config)
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
      async add(children, outcomes) {
        for (const { status } of outcomes) status === 'SUCCEEDED' ? succeeded++ : failed++
        await ask(() => sink.write(children, outcomes))
      },
      close: () => ask(() => sink.close({ succeeded, failed })),
    }
  }
}

/** What the children that succeeded gave, in the order of their items. */
const makeList = ({ Transformation = 'COMPACT' }: JsonObject = {}): Results => {
  // By the first child of each group: groups end in any order.
  const groups: (Json[] | undefined)[] = []
  return {
    async add(children, outcomes) {
      const first = children[0]
      if (first) groups[first.index] = shapeResults(children, outcomes, 'SUCCEEDED', Transformation)
    },
    close: async () => groups.flatMap((group) => group ?? []),
  }
}
