import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type FakeHost, makeFakeHost, outputOf } from '../../../test/asl/fake-host.ts'
import type { Json, JsonObject } from '../../platform/json.ts'
import {
  AslError,
  type ChildItem,
  type ChildOutcome,
  type ChildRunRequest,
  compile,
  countItems,
  type ItemSource,
  type OpenItemsRequest,
  type OpenResultsRequest,
  type ResultSink,
  run,
  runItems,
} from '../index.ts'

const each = (state: JsonObject, more: JsonObject = {}): JsonObject => ({
  Type: 'Map',
  ItemProcessor: {
    ProcessorConfig: { Mode: 'DISTRIBUTED', ExecutionType: 'STANDARD' },
    StartAt: 'I',
    States: { I: { ...state, End: true } },
  },
  ...more,
})
const task = { Type: 'Task', Resource: 'x' }
const pass = { Type: 'Pass' }
const failingOn = (...bad: Json[]) =>
  makeFakeHost(({ input }) => {
    if (bad.includes(input)) throw new AslError('Bad', 'item')
    return input
  })

describe('a distributed Map', () => {
  test('gives the outputs of its children in the order of the items', async () => {
    assert.deepEqual(await outputOf(each(task), [1, 2, 3]), [1, 2, 3])
    assert.deepEqual(await outputOf(each(pass), []), [])
  })

  test('hides outer variables from the children, and shows each its own input', async () => {
    await assert.rejects(outputOf(each({ Type: 'Pass', InputPath: '$outer' }), [1]), {
      error: 'States.ExceedToleratedFailureThreshold',
    })
    assert.deepEqual(await outputOf(each({ Type: 'Pass', InputPath: '$$.Execution.Input' }), [{ a: 1 }]), [{ a: 1 }])
  })

  test('gives each child an execution of its own, the same when the run is replayed', async () => {
    const context = { Execution: { Id: 'run-1', Name: 'run-1', StartTime: 'then' } }
    const state = { Type: 'Pass', Parameters: { 'e.$': '$$.Execution' } }
    const seen = async (): Promise<JsonObject[]> =>
      ((await outputOf(each(state), [7, 8], { context })) as JsonObject[]).map(({ e }) => e as JsonObject)
    const [first, second] = await seen()
    assert.match(String(first?.Name), /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
    assert.deepEqual(first, { Id: `run-1/${first?.Name}`, Name: first!.Name!, StartTime: 'then', Input: 7 })
    assert.notEqual(second?.Name, first?.Name)
    assert.deepEqual(await seen(), [first, second])
  })

  test('counts the events of each child by themselves', async () => {
    const state = each(
      { Type: 'Pass', InputPath: '$.nope' },
      { ToleratedFailureCount: 9, ResultWriter: { Resource: 'x' } },
    )
    const host = makeFakeHost()
    const causes: unknown[] = []
    const openResults = async (): Promise<ResultSink> => ({
      write: async (_, outcomes) => {
        for (const outcome of outcomes) if (outcome.status === 'FAILED') causes.push(outcome.cause)
      },
      close: async () => null,
    })
    await outputOf(state, [{}, {}], { host: { ...host, openResults } })
    for (const cause of causes) assert.match(String(cause), /\(entered at the event id #2\)/)
    assert.equal(causes.length, 2)
  })

  test('takes the fields of an object for items', async () => {
    assert.deepEqual(await outputOf(each(pass), { a: 1, b: 2 }), [
      { Key: 'a', Value: 1 },
      { Key: 'b', Value: 2 },
    ])
  })

  test('says of a number inside one of its fields which field that is', async () => {
    const state = { QueryLanguage: 'JSONata', ItemBatcher: { MaxItemsPerBatch: '{% $nope %}' } }
    const host = makeFakeHost()
    await assert.rejects(outputOf(each(pass, state), [1], { host }), /the field 'ItemBatcher\/MaxItemsPerBatch'/)
    const failed = host.transitions.find(({ type }) => type === 'EvaluationFailed')
    assert.equal(failed?.field, 'ItemBatcher/MaxItemsPerBatch')
  })

  test('tells the selector where an item comes from, and the key of a field', async () => {
    const ItemSelector = { 'item.$': '$$.Map.Item' }
    assert.deepEqual(await outputOf(each(pass, { ItemSelector }), { a: 1 }), [
      { item: { Index: 0, Key: 'a', Value: 1, Source: 'STATE_DATA' } },
    ])
    assert.deepEqual(await outputOf(each(pass, { ItemSelector }), [7]), [
      { item: { Index: 0, Value: 7, Source: 'STATE_DATA' } },
    ])
    const host = Object.assign(makeFakeHost(), {
      openItems: async (): Promise<ItemSource> => ({
        page: async (offset, limit) => ['x', 'y', 'z'].slice(offset, offset + limit),
        sourceOf: (index) => `s3://b/${index}`,
      }),
    })
    const ItemReader = { Resource: 'arn:aws:states:::s3:getObject', ReaderConfig: { MaxItems: 2 } }
    const read = await outputOf(each(pass, { ItemSelector: { 's.$': '$$.Map.Item.Source' }, ItemReader }), {}, { host })
    assert.deepEqual(read, [{ s: 's3://b/0' }, { s: 's3://b/1' }])
  })

  test('shapes its list by the writer config', async () => {
    const shaped = (Transformation: string) =>
      outputOf(each(pass, { ResultWriter: { WriterConfig: { Transformation, OutputType: 'JSON' } } }), [[1, 2], 3])
    assert.deepEqual(await shaped('COMPACT'), [[1, 2], 3])
    assert.deepEqual(await shaped('FLATTEN'), [1, 2, 3])
    const [first] = (await shaped('NONE')) as JsonObject[]
    assert.deepEqual(first, {
      ...{ Input: '[1,2]', InputDetails: { Included: true }, Name: '0', Status: 'SUCCEEDED' },
      ...{ Output: '[1,2]', OutputDetails: { Included: true } },
    })
  })

  test('fails by the first failure, unless some are tolerated', async () => {
    const exceeded = { error: 'States.ExceedToleratedFailureThreshold' }
    const go = (more: JsonObject, ...bad: Json[]) =>
      outputOf(each(task, { MaxConcurrency: 1, ...more }), [1, 2, 3, 4], { host: failingOn(...bad) })
    await assert.rejects(go({}, 2), exceeded)
    assert.deepEqual(await go({ ToleratedFailureCount: 1 }, 2), [1, 3, 4])
    await assert.rejects(go({ ToleratedFailureCount: 1 }, 2, 3), exceeded)
    assert.deepEqual(await go({ ToleratedFailurePercentage: 50 }, 2, 3), [1, 4])
    await assert.rejects(go({ ToleratedFailurePercentage: 49 }, 2, 3), exceeded)
    await assert.rejects(go({ ToleratedFailurePercentage: 100, ToleratedFailureCount: 1 }, 2, 3), exceeded)
  })

  test('ends the run of its children whenever it has begun one', async () => {
    const unknown = each(pass, { ItemSelector: { 'a.$': '$.nope' } })
    const refused = each(pass, { ToleratedFailureCountPath: '$[0]' })
    const typesOf = async (state: JsonObject, input: Json): Promise<string[]> => {
      const host = makeFakeHost()
      await assert.rejects(outputOf(state, input, { host }), { error: 'States.Runtime' })
      return host.transitions.map(({ type }) => type).filter((type) => type.startsWith('MapRun'))
    }
    assert.deepEqual(await typesOf(unknown, [1]), ['MapRunStarted', 'MapRunFailed'])
    assert.deepEqual(await typesOf(refused, [-1]), [])
  })

  test('takes the tolerated number from a path, also as a text, and refuses nonsense', async () => {
    const go = (value: Json) =>
      outputOf(
        each(task, { ItemsPath: '$.list', ToleratedFailureCountPath: '$.n' }),
        { list: [1], n: value },
        { host: failingOn(1) },
      )
    assert.deepEqual(await go(1), [])
    assert.deepEqual(await go('1'), [])
    for (const value of [-1, 1.5, {}, 'x', null]) await assert.rejects(go(value), { error: 'States.Runtime' })
  })

  test('tolerates failures by the items in a batch, also where the batches run elsewhere', async () => {
    const inPlace = (): Partial<FakeHost> => ({})
    const elsewhere = (summarized: boolean) => (): Partial<FakeHost> => ({
      async childRun({ items }) {
        const outcomes = items.map(({ input }): ChildOutcome => {
          return isBad(input) ? { status: 'FAILED' } : { status: 'SUCCEEDED', output: input }
        })
        const failed = outcomes.filter(({ status }) => status === 'FAILED').length
        const counts = { succeeded: outcomes.length - failed, failed, items: countItems(items, outcomes) }
        return summarized ? { ...counts, written: null } : outcomes
      },
      openResults: async () => ({ write: async () => undefined, close: async () => null }),
    })
    const isBad = (input: Json): boolean => ((input as JsonObject).Items as Json[]).includes(1)
    for (const make of [inPlace, elsewhere(false), elsewhere(true)]) {
      const go = (tolerated: JsonObject): Promise<Json> => {
        const host = makeFakeHost(({ input }) => {
          if (isBad(input)) throw new AslError('Bad')
          return input
        })
        const more = { ItemBatcher: { MaxItemsPerBatch: 3 }, ResultWriter: { Resource: 'x' }, ...tolerated }
        const { openResults } = elsewhere(false)()
        return outputOf(each(task, more), [1, 2, 3, 4, 5, 6], { host: { ...host, openResults, ...make() } as FakeHost })
      }
      const exceeded = { error: 'States.ExceedToleratedFailureThreshold' }
      await go({ ToleratedFailureCount: 3 })
      await assert.rejects(go({ ToleratedFailureCount: 2 }), exceeded)
      await go({ ToleratedFailurePercentage: 50 })
      await assert.rejects(go({ ToleratedFailurePercentage: 49 }), exceeded)
    }
  })

  test('batches items by number and by size, with a common input', async () => {
    const go = (ItemBatcher: JsonObject, input: Json[]) => outputOf(each(pass, { ItemBatcher }), input)
    assert.deepEqual(await go({ MaxItemsPerBatch: 2 }, [1, 2, 3]), [{ Items: [1, 2] }, { Items: [3] }])
    const shared = await go({ MaxItemsPerBatch: 9, BatchInput: { 'first.$': '$[0]' } }, [7, 8])
    assert.deepEqual(shared, [{ BatchInput: { first: 7 }, Items: [7, 8] }])
    const bySize = (await go({ MaxInputBytesPerBatch: 40 }, ['x'.repeat(10), 'y'.repeat(10), 'z'.repeat(30)])) as {
      Items: Json[]
    }[]
    assert.deepEqual(
      bySize.map(({ Items }) => Items.length),
      [2, 1],
    )
  })

  test('flattens results when the writer is told to', async () => {
    const ResultWriter = { WriterConfig: { Transformation: 'FLATTEN', OutputType: 'JSON' } }
    assert.deepEqual(await outputOf(each(pass, { ResultWriter }), [[1, 2], [3]]), [1, 2, 3])
  })

  test('tells its progress about a hundred times, and nothing of what happens inside a child', async () => {
    const host = makeFakeHost()
    await outputOf(
      each(task),
      Array.from({ length: 1_000 }, (_, i) => i),
      { host },
    )
    const progress = host.transitions.filter(({ type }) => type === 'MapRunProgress')
    assert.equal(progress.length, 100)
    assert.deepEqual([progress.at(-1)?.succeeded, progress.at(-1)?.failed], [1_000, 0])
    assert.ok(!host.transitions.some(({ type }) => type === 'TaskScheduled' || type === 'MapIterationStarted'))
  })
})

describe('an ItemReader', () => {
  const read = (more: JsonObject = {}) =>
    each(pass, {
      ItemReader: {
        Resource: 'file:read',
        Parameters: { 'path.$': '$.path' },
        ReaderConfig: { InputType: 'CSV', ...more },
      },
    })
  const hostWith = (items: Json[], seen: OpenItemsRequest[] = [], pages: number[] = []) => ({
    ...makeFakeHost(),
    async openItems(request: OpenItemsRequest): Promise<ItemSource> {
      seen.push(request)
      return {
        async page(offset: number, limit: number) {
          pages.push(offset)
          return items.slice(offset, offset + limit)
        },
      }
    },
  })

  test('is opened by the host with resolved parameters and read page by page', async () => {
    const seen: OpenItemsRequest[] = []
    const pages: number[] = []
    const items = Array.from({ length: 2_500 }, (_, i) => i)
    const output = await outputOf(
      read({ MaxItemsPath: '$.most' }),
      { path: 'p', most: 2_400 },
      { host: hostWith(items, seen, pages) },
    )
    assert.equal((output as Json[]).length, 2_400)
    assert.deepEqual(pages, [0, 1_000, 2_000])
    const { key, resource, parameters, config } = seen[0]!
    assert.deepEqual(
      { key, resource, parameters, config },
      {
        key: 'Only:items',
        resource: 'file:read',
        parameters: { path: 'p' },
        config: { InputType: 'CSV', MaxItems: 2_400 },
      },
    )
  })

  test('fails as States.ItemReaderFailed when the host cannot read', async () => {
    await assert.rejects(outputOf(read(), { path: 'p' }), { error: 'States.ItemReaderFailed' })
    const broken = { ...makeFakeHost(), openItems: () => Promise.reject(new Error('no such file')) }
    await assert.rejects(outputOf(read(), { path: 'p' }, { host: broken }), {
      error: 'States.ItemReaderFailed',
      cause: 'no such file',
    })
  })
})

describe('a ResultWriter', () => {
  const state = each(task, {
    ResultWriter: { Resource: 'file:write', Parameters: { dir: 'out' } },
    ToleratedFailureCount: 1,
  })

  test('is handed the outcomes as they come, and gives the result', async () => {
    const written: [number, string][] = []
    const requests: OpenResultsRequest[] = []
    const host = {
      ...failingOn(2),
      async openResults(request: OpenResultsRequest): Promise<ResultSink> {
        requests.push(request)
        return {
          write: async (children: readonly ChildItem[], outcomes: readonly { status: string }[]) => {
            for (const [i, child] of children.entries()) written.push([child.index, outcomes[i]!.status])
          },
          close: async (summary: object) => ({ ...summary, at: 'out/manifest' }) as Json,
        }
      },
    }
    assert.deepEqual(await outputOf(state, [1, 2, 3], { host }), { succeeded: 2, failed: 1, at: 'out/manifest' })
    assert.deepEqual(written.sort(), [
      [0, 'SUCCEEDED'],
      [1, 'FAILED'],
      [2, 'SUCCEEDED'],
    ])
    assert.deepEqual([requests[0]?.key, requests[0]?.parameters], ['Only:results', { dir: 'out' }])
  })

  test('fails as States.ResultWriterFailed when the host cannot write', async () => {
    await assert.rejects(outputOf(state, [1]), { error: 'States.ResultWriterFailed' })
  })
})

describe('children that run elsewhere', () => {
  const definition = {
    StartAt: 'M',
    States: {
      M: {
        ...each({ ...task, ResultPath: '$.r' }, { Label: 'kids', MaxConcurrency: 250, ToleratedFailureCount: 5 }),
        End: true,
      },
    },
  }
  const items = Array.from({ length: 950 }, (_, i) => ({ i }))

  test('go in groups, by runItems, over a host of their own', async () => {
    const program = compile(definition)
    const groups: ChildRunRequest[] = []
    const childKeys: string[] = []
    const host = {
      ...makeFakeHost(),
      async childRun(request: ChildRunRequest): Promise<ChildOutcome[]> {
        groups.push(request)
        const inner = makeFakeHost(({ key, input }) => {
          childKeys.push(key)
          if ((input as JsonObject).i === 7) throw new AslError('Bad')
          return 'done'
        })
        const { pointer, items: children, concurrency, toleratedFailures } = request
        return runItems(compile(definition), { pointer, items: children, concurrency, toleratedFailures, host: inner })
      },
    }
    const result = await run(program, { input: items, host, limits: { payloadBytes: 1_000_000 } })
    assert.equal(result.status, 'SUCCEEDED')
    const output = (result.status === 'SUCCEEDED' ? result.output : []) as JsonObject[]
    assert.equal(output.length, 949)
    assert.deepEqual(output[0], { i: 0, r: 'done' })
    assert.equal(groups.length, 10)
    const { key, pointer, label, executionType, concurrency } = groups[1]!
    assert.deepEqual(
      { key, pointer, label, executionType, concurrency },
      { key: 'M[100]', pointer: '/States/M/ItemProcessor', label: 'kids', executionType: 'STANDARD', concurrency: 100 },
    )
    assert.ok(childKeys.includes('[949]/I'))
  })

  test('end early when more have failed than is tolerated', async () => {
    const started: Json[] = []
    const host = makeFakeHost(({ input }) => {
      started.push(input)
      throw new AslError('Bad')
    })
    const children = Array.from({ length: 10 }, (_, index) => ({ index, input: index }))
    const options = { pointer: '/States/M/ItemProcessor', items: children, concurrency: 1, toleratedFailures: 2, host }
    const outcomes = await runItems(compile(definition), options)
    assert.equal(started.length, 3)
    assert.equal(outcomes.length, 3)
    await assert.rejects(runItems(compile(definition), { ...options, pointer: '/nowhere' }), /no distributed Map/)
  })
})
