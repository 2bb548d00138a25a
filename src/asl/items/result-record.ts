/** How the results of a distributed Map are put down: what one child was given and gave, and how lists of them are shaped. */
import type { Json, JsonObject } from '../../platform/json.ts'
import type { ChildItem, ChildOutcome } from '../host.ts'

/** One child as the service writes it: input and output as texts. What only ARNs or clocks could tell is left out. */
const resultRecord = ({ index, input }: ChildItem, outcome: ChildOutcome): JsonObject => ({
  Input: JSON.stringify(input),
  InputDetails: { Included: true },
  Name: String(index),
  ...(outcome.status === 'SUCCEEDED'
    ? { Output: JSON.stringify(outcome.output), OutputDetails: { Included: true } }
    : {
        ...(outcome.error === undefined ? {} : { Error: outcome.error }),
        ...(outcome.cause === undefined ? {} : { Cause: outcome.cause }),
      }),
  Status: outcome.status,
})

/**
 * The children of one status by `WriterConfig.Transformation`: `NONE` gives records, `COMPACT` outputs, `FLATTEN` the elements of
 * outputs that are lists. Failed children have no output and are always records.
 */
export const shapeResults = (
  children: readonly ChildItem[],
  outcomes: readonly ChildOutcome[],
  status: ChildOutcome['status'],
  transformation: Json | undefined,
): Json[] => {
  const shaped: Json[] = []
  for (let i = 0; i < outcomes.length; i++) {
    const outcome = outcomes[i]!
    if (outcome.status !== status) continue
    if (outcome.status === 'FAILED' || (transformation !== 'COMPACT' && transformation !== 'FLATTEN')) {
      shaped.push(resultRecord(children[i]!, outcome))
    } else if (transformation === 'FLATTEN' && Array.isArray(outcome.output)) {
      for (const element of outcome.output) shaped.push(element)
    } else shaped.push(outcome.output)
  }
  return shaped
}
