/** The inputs of a distributed Map's children: items from the input or from a reader, each selected, perhaps in batches. */
import type { Json, JsonObject } from '../../platform/json.ts'
import { compileOptional } from '../data-flow.ts'
import { AslError, STATES } from '../errors.ts'
import type { ChildItem, ItemSource } from '../host.ts'
import type { QueryLanguage } from '../query/focus.ts'
import { isObject } from '../values.ts'
import type { Visit } from '../visit.ts'
import { compileBatcher } from './map-batcher.ts'
import { asItems, compileItemSelector, compileItems, compileNumber, selectItem } from './map-fields.ts'

export interface Feed {
  /** How many children there will be, when that is known. */
  readonly count: number | undefined
  /** The next children, at most `most`; none means the end. Calls may overlap; each child is given once, in order. */
  next(most: number): Promise<ChildItem[]>
}

export type OpenFeed = (visit: Visit, effective: Json, key: string) => Promise<Feed>

/** Items that are fetched from a source at a time. */
const ITEMS_PER_PAGE = 1_000

export const compileFeed = (state: JsonObject, language: QueryLanguage): OpenFeed => {
  const openSource = isObject(state.ItemReader)
    ? compileReader(state.ItemReader, language)
    : compileInputSource(state, language)
  const selector = compileItemSelector(state, language)
  const toBatcher = compileBatcher(state, language)
  return async (visit, effective, key) => {
    const source = await openSource(visit, effective, key)
    const batcher = await toBatcher(visit, effective)
    const items = readItems(source, async (index, value) => {
      return (await selectItem(selector, visit, effective, { index, value })).input
    })
    const children = batcher ? batcher(items) : items
    let index = 0
    let last: Promise<unknown> = Promise.resolve()
    const pull = async (most: number): Promise<ChildItem[]> => {
      const group: ChildItem[] = []
      while (group.length < most) {
        const { value, done } = await children.next()
        if (done) break
        group.push({ index: index++, input: value })
      }
      return group
    }
    return {
      count: batcher ? undefined : source.count,
      next(most) {
        // One after the other: an overlapping call waits for its turn, and a failure reaches every caller.
        const result = last.then(() => pull(most))
        last = result
        return result
      },
    }
  }
}

/** Page after page, so that only one is held at a time. */
async function* readItems(
  source: ItemSource,
  select: (index: number, value: Json) => Promise<Json>,
): AsyncGenerator<Json, void, undefined> {
  for (let offset = 0; ; ) {
    const page = await source.page(offset, ITEMS_PER_PAGE)
    if (page.length === 0) return
    for (const value of page) yield await select(offset++, value)
  }
}

type OpenSource = (visit: Visit, effective: Json, key: string) => Promise<ItemSource>

const compileInputSource = (state: JsonObject, language: QueryLanguage): OpenSource => {
  const toItems = compileItems(state, language)
  return async (visit, effective) => {
    const found = await toItems(visit, effective)
    // Of an object, each field is an item.
    const items = isObject(found)
      ? Object.entries(found).map(([Key, Value]): Json => ({ Key, Value }))
      : asItems(found, state, language)
    return { count: items.length, page: async (offset, limit) => items.slice(offset, offset + limit) }
  }
}

const compileReader = (reader: JsonObject, language: QueryLanguage): OpenSource => {
  const field = language === 'JSONata' ? 'Arguments' : 'Parameters'
  const toParameters = compileOptional(reader[field], `ItemReader/${field}`, language)
  const config = (reader.ReaderConfig ?? {}) as JsonObject
  const toMaxItems = compileNumber(config, { name: 'MaxItems', whole: true }, language)
  return async (visit, effective, key) => {
    const { host } = visit.run
    const parameters = toParameters ? await toParameters(visit.focus(effective)) : {}
    const maxItems = await toMaxItems(visit, effective)
    if (!host.openItems) throw new AslError(STATES.itemReaderFailed, 'Nothing here can read the items of a Map.')
    const { MaxItemsPath: _, ...rest } = config
    const source = await host.openItems({
      key: `${key}:items`,
      state: visit.state,
      resource: reader.Resource as string,
      parameters,
      config: maxItems === undefined ? rest : { ...rest, MaxItems: maxItems },
      ...(visit.scope.signal ? { signal: visit.scope.signal } : {}),
    })
    return maxItems === undefined || maxItems === 0 ? source : cutAt(source, maxItems)
  }
}

const cutAt = (source: ItemSource, most: number): ItemSource => ({
  ...(source.count === undefined ? {} : { count: Math.min(source.count, most) }),
  page: async (offset, limit) => (offset >= most ? [] : source.page(offset, Math.min(limit, most - offset))),
})
