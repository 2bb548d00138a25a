/** The inputs of a distributed Map's children: items from the input or from a reader, each selected, perhaps in batches. */
import type { Json, JsonObject } from '../../platform/json.ts'
import { compileOptional } from '../data-flow.ts'
import { AslError, asAslError, askHost, STATES } from '../errors.ts'
import type { ChildItem, ItemSource, OpenItemsRequest } from '../host.ts'
import type { QueryLanguage } from '../query/focus.ts'
import { isObject } from '../values.ts'
import type { Stage, Visit } from '../visit.ts'
import { compileBatcher } from './map-batcher.ts'
import { asItems, compileItemSelector, compileItems, compileNumber, type NumberOf, selectItem } from './map-fields.ts'

export interface Feed {
  /** How many children there will be, when that is known. */
  readonly count: number | undefined
  /** How many items they are made of, when that is known. */
  readonly items: number | undefined
  /** The next children, at most `most`; none means the end. Calls may overlap; each child is given once, in order. */
  next(most: number): Promise<ChildItem[]>
}

/** The items of the input are looked at before the Map starts; a reader is opened when it runs. */
export interface FeedPlan {
  readonly inputLength: number | undefined
  open(key: string): Promise<Feed>
}

export type PlanFeed = (visit: Visit, effective: Json) => Promise<FeedPlan>

/** Items that are fetched from a source at a time. */
const ITEMS_PER_PAGE = 1_000

export const compileFeed = (state: JsonObject, language: QueryLanguage): PlanFeed => {
  const planSource = isObject(state.ItemReader)
    ? compileReader(state.ItemReader, language)
    : compileInputSource(state, language)
  const selector = compileItemSelector(state, language)
  const toBatcher = compileBatcher(state, language)
  return async (visit, effective) => {
    const plan = await planSource(visit, effective)
    return {
      inputLength: plan.inputLength,
      async open(key) {
        const source = await plan.open(key)
        const batcher = await toBatcher(visit, effective)
        const selected = readItems(source, async (index, value) => {
          const item = { index, value, key: source.keys?.[index], source: source.sourceOf?.(index) }
          return (await selectItem(selector, visit, effective, item)).input
        })
        const items = selector ? shown(visit, 'afterItemSelector', selected) : selected
        const children = batcher ? shown(visit, 'afterItemBatcher', batcher(items)) : items
        return makeFeed(children, source.count, batcher !== undefined)
      },
    }
  }
}

type Inputs = AsyncGenerator<Json, void, undefined>

/** In a test of one state, tells at the end what has come through. */
const shown = (visit: Visit, stage: Stage, inputs: Inputs): Inputs => {
  const { inspect } = visit
  if (!inspect) return inputs
  return (async function* () {
    const all: Json[] = []
    for await (const input of inputs) {
      all.push(input)
      yield input
    }
    inspect(stage, all)
  })()
}

const makeFeed = (inputs: Inputs, items: number | undefined, isBatched: boolean): Feed => {
  let index = 0
  let last: Promise<unknown> = Promise.resolve()
  const pull = async (most: number): Promise<ChildItem[]> => {
    const group: ChildItem[] = []
    while (group.length < most) {
      const { value, done } = await inputs.next()
      if (done) break
      const batch = isBatched ? { items: ((value as JsonObject).Items as Json[]).length } : {}
      group.push({ index: index++, input: value, ...batch })
    }
    return group
  }
  return {
    count: isBatched ? undefined : items,
    items,
    next(most) {
      // One after the other: an overlapping call waits for its turn, and a failure reaches every caller.
      const result = last.then(() => pull(most))
      last = result
      return result
    },
  }
}

/** Page after page, so that only one is held at a time. */
async function* readItems(
  source: ItemSource,
  select: (index: number, value: Json) => Promise<Json>,
): AsyncGenerator<Json, void, undefined> {
  for (let offset = 0; ; ) {
    const page = await askHost(STATES.itemReaderFailed, () => source.page(offset, ITEMS_PER_PAGE))
    if (page.length === 0) return
    for (const value of page) yield await select(offset++, value)
  }
}

interface Source extends ItemSource {
  /** Of the fields, where the items are those of an object. */
  readonly keys?: readonly string[] | undefined
}

interface SourcePlan {
  readonly inputLength: number | undefined
  open(key: string): Promise<Source>
}

type PlanSource = (visit: Visit, effective: Json) => Promise<SourcePlan>

const compileInputSource = (state: JsonObject, language: QueryLanguage): PlanSource => {
  const toItems = compileItems(state, language)
  return async (visit, effective) => {
    const found = await toItems(visit, effective)
    // Of an object, each field is an item.
    const keys = isObject(found) ? Object.keys(found) : undefined
    const items = isObject(found) ? Object.values(found) : asItems(found, state, language)
    const source = {
      keys,
      count: items.length,
      sourceOf: () => 'STATE_DATA',
      page: async (offset: number, limit: number) => items.slice(offset, offset + limit),
    }
    return { inputLength: items.length, open: async () => source }
  }
}

const compileReader = (reader: JsonObject, language: QueryLanguage): PlanSource => {
  const field = language === 'JSONata' ? 'Arguments' : 'Parameters'
  const toParameters = compileOptional(reader[field], `ItemReader/${field}`, language)
  const config = (reader.ReaderConfig ?? {}) as JsonObject
  const toMaxItems = compileNumber(config, { name: 'MaxItems', of: 'ItemReader/ReaderConfig', whole: true }, language)
  const openReader = async (visit: Visit, effective: Json, key: string): Promise<ItemSource> => {
    const parameters = toParameters ? await toParameters(visit.focus(effective)) : {}
    const maxItems = await readMaxItems(toMaxItems, visit, effective)
    const { host } = visit.run
    if (!host.openItems) throw new AslError(STATES.itemReaderFailed, 'Nothing here can read the items of a Map.')
    const { MaxItemsPath: _, ...rest } = config
    const request: OpenItemsRequest = {
      key: `${key}:items`,
      state: visit.state,
      resource: reader.Resource as string,
      parameters,
      config: maxItems === undefined ? rest : { ...rest, MaxItems: maxItems },
      ...(visit.scope.signal ? { signal: visit.scope.signal } : {}),
    }
    const source = await askHost(STATES.itemReaderFailed, () => host.openItems!(request))
    return maxItems === undefined || maxItems === 0 ? source : cutAt(source, maxItems)
  }
  return async (visit, effective) => ({ inputLength: undefined, open: (key) => openReader(visit, effective, key) })
}

/** The service blames the reader for a limit that is none. */
const readMaxItems = async (toMaxItems: NumberOf, visit: Visit, effective: Json): Promise<number | undefined> => {
  try {
    return await toMaxItems(visit, effective)
  } catch (thrown) {
    throw new AslError(STATES.itemReaderFailed, asAslError(thrown).causeText, { reason: thrown })
  }
}

const cutAt = (source: ItemSource, most: number): ItemSource => ({
  ...(source.sourceOf ? { sourceOf: (index) => source.sourceOf?.(index) } : {}),
  ...(source.count === undefined ? {} : { count: Math.min(source.count, most) }),
  page: async (offset, limit) => (offset >= most ? [] : source.page(offset, Math.min(limit, most - offset))),
})
