/** `ItemBatcher`: puts several items into the input of one child. */
import type { Json, JsonObject } from '../../platform/json.ts'
import { compileOptional } from '../data-flow.ts'
import type { QueryLanguage } from '../query/focus.ts'
import { isObject } from '../values.ts'
import type { Visit } from '../visit.ts'
import { compileNumber } from './map-fields.ts'

export type Batch = (items: AsyncGenerator<Json, void, undefined>) => AsyncGenerator<Json, void, undefined>

/** Gives `undefined` when the Map has no batcher. */
export const compileBatcher = (
  state: JsonObject,
  language: QueryLanguage,
): ((visit: Visit, effective: Json) => Promise<Batch | undefined>) => {
  const batcher = state.ItemBatcher
  if (!isObject(batcher)) return async () => undefined
  const toMaxItems = compileNumber(batcher, { name: 'MaxItemsPerBatch', of: 'ItemBatcher', whole: true }, language)
  const toMaxBytes = compileNumber(batcher, { name: 'MaxInputBytesPerBatch', of: 'ItemBatcher', whole: true }, language)
  const toInput = compileOptional(batcher.BatchInput, 'ItemBatcher/BatchInput', language)
  return async (visit, effective) => {
    const maxItems = (await toMaxItems(visit, effective)) || Number.POSITIVE_INFINITY
    const limit = visit.run.limits.payloadBytes
    const maxBytes = Math.min((await toMaxBytes(visit, effective)) || limit, limit)
    const batchInput = toInput ? await toInput(visit.focus(effective)) : undefined
    const shared: JsonObject = batchInput === undefined ? {} : { BatchInput: batchInput }
    const emptyBytes = visit.run.scale.bytes({ ...shared, Items: [] })
    const bytesOf = (item: Json): number => visit.run.scale.bytes(item) + 1
    return (items) => batchUp(items, { shared, maxItems, maxBytes, emptyBytes, bytesOf })
  }
}

interface BatchOptions {
  readonly shared: JsonObject
  readonly maxItems: number
  readonly maxBytes: number
  readonly emptyBytes: number
  bytesOf(item: Json): number
}

/** A batch is full by number or by size; an item that alone is too large still gets a batch of its own. */
async function* batchUp(
  items: AsyncGenerator<Json, void, undefined>,
  { shared, maxItems, maxBytes, emptyBytes, bytesOf }: BatchOptions,
): AsyncGenerator<Json, void, undefined> {
  let batch: Json[] = []
  let bytes = emptyBytes
  for await (const item of items) {
    const size = bytesOf(item)
    if (batch.length > 0 && (batch.length >= maxItems || bytes + size > maxBytes)) {
      yield { ...shared, Items: batch }
      batch = []
      bytes = emptyBytes
    }
    batch.push(item)
    bytes += size
  }
  if (batch.length > 0) yield { ...shared, Items: batch }
}
