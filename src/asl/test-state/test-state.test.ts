import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { JsonObject } from '../../platform/json.ts'
import { AslError, type StateTest, type StateTestResult, testState } from '../index.ts'

const task: JsonObject = { Type: 'Task', Resource: 'skill:mail/send', Next: 'Then' }
const map: JsonObject = {
  Type: 'Map',
  ItemProcessor: { ProcessorConfig: { Mode: 'DISTRIBUTED' }, StartAt: 'I', States: { I: { Type: 'Pass', End: true } } },
  End: true,
}
const tryTask = (more: JsonObject, test: Partial<StateTest> = {}): Promise<StateTestResult> =>
  testState({ definition: { ...task, ...more }, input: { n: 1 }, ...test })

describe('testState()', () => {
  test('gives the output and where the run would go', async () => {
    assert.deepEqual(await tryTask({}, { mock: { result: 'sent' } }), {
      status: 'SUCCEEDED',
      output: 'sent',
      nextState: 'Then',
    })
  })

  test('shows what each stage of the data flow gave', async () => {
    const state = {
      InputPath: '$',
      Parameters: { 'to.$': '$.n' },
      ResultSelector: { 'id.$': '$.id' },
      ResultPath: '$.mail',
      OutputPath: '$.mail.id',
    }
    const result = await tryTask(state, { mock: { result: { id: 7, more: 8 } }, inspectionLevel: 'DEBUG' })
    assert.deepEqual(result.inspectionData, {
      input: { n: 1 },
      afterInputPath: { n: 1 },
      afterParameters: { to: 1 },
      result: { id: 7, more: 8 },
      afterResultSelector: { id: 7 },
      afterResultPath: { n: 1, mail: { id: 7 } },
    })
    assert.equal(result.output, 7)
  })

  test('does the task over a host where there is no mock', async () => {
    const host = { task: async ({ resource }: { resource: string }) => resource }
    assert.equal((await tryTask({}, { host })).output, 'skill:mail/send')
    assert.deepEqual(await tryTask({}), {
      status: 'FAILED',
      error: 'States.TaskFailed',
      cause: 'Nothing here can do the task: give a mock.',
    })
  })

  test('tells retries from catches from failures, and which policy took hold', async () => {
    const mock = { errorOutput: { error: 'Boom', cause: 'why' } }
    const Retry: JsonObject[] = [
      { ErrorEquals: ['Other'] },
      { ErrorEquals: ['Boom'], IntervalSeconds: 2, MaxAttempts: 3 },
    ]
    const Catch = [{ ErrorEquals: ['Boom'], Next: 'Rescue', ResultPath: '$.error' }]
    const retriable = await tryTask(
      { Retry, Catch },
      { mock, inspectionLevel: 'TRACE', stateConfiguration: { retrierRetryCount: 2 } },
    )
    assert.equal(retriable.status, 'RETRIABLE')
    assert.deepEqual(retriable.inspectionData?.errorDetails, { retryIndex: 1, retryBackoffIntervalSeconds: 8 })
    const caught = await tryTask(
      { Retry, Catch },
      { mock, inspectionLevel: 'TRACE', stateConfiguration: { retrierRetryCount: 3 } },
    )
    assert.deepEqual(
      [caught.status, caught.nextState, caught.output],
      ['CAUGHT_ERROR', 'Rescue', { n: 1, error: { Error: 'Boom', Cause: 'why' } }],
    )
    assert.deepEqual(caught.inspectionData?.errorDetails, { retryIndex: 1, catchIndex: 0 })
    const failed = await tryTask({}, { mock })
    assert.deepEqual([failed.status, failed.error, failed.cause], ['FAILED', 'Boom', 'why'])
  })

  test('finds a state of a definition by its name, also inside a Map', async () => {
    const definition = { StartAt: 'M', States: { M: map } }
    assert.equal((await testState({ definition, stateName: 'I', input: 5 })).output, 5)
    assert.equal((await testState({ definition, stateName: 'X' })).status, 'REJECTED')
  })

  test('shows a state within a Map the first item', async () => {
    const inner = { Type: 'Pass', Parameters: { 'item.$': '$$.Map.Item' }, End: true }
    const processor = { ...(map.ItemProcessor as JsonObject), StartAt: 'I', States: { I: inner } }
    const definition = { StartAt: 'M', States: { M: { ...map, ItemProcessor: processor } } }
    const { output } = await testState({ definition, stateName: 'I', input: 5 })
    assert.deepEqual(output, { item: { Index: 0, Value: 5 } })
  })

  test('takes context and variables', async () => {
    const definition = {
      ...task,
      ResultSelector: { 'who.$': '$$.Execution.Name', 'v.$': '$v' },
      Assign: { w: 2 },
    }
    const result = await testState({
      definition,
      mock: { result: {} },
      context: { Execution: { Name: 'me' } },
      variables: { v: 1 },
      inspectionLevel: 'DEBUG',
    })
    assert.deepEqual(result.output, { who: 'me', v: 1 })
    assert.deepEqual(result.inspectionData?.variables, { v: 1, w: 2 })
  })

  test('tries a Map with mocked iterations', async () => {
    const definition = {
      ...map,
      ItemsPath: '$.list',
      ItemSelector: { 'v.$': '$$.Map.Item.Value' },
      ItemBatcher: { MaxItemsPerBatch: 2 },
      ToleratedFailureCount: 1,
    }
    const request = {
      definition,
      input: { list: [1, 2, 3] },
      mock: { result: ['a', 'b'] },
      inspectionLevel: 'DEBUG' as const,
    }
    const { output, inspectionData } = await testState(request)
    assert.deepEqual(output, ['a', 'b'])
    assert.deepEqual(inspectionData?.afterItemsPath, [1, 2, 3])
    assert.deepEqual(inspectionData?.afterItemSelector, [{ v: 1 }, { v: 2 }, { v: 3 }])
    assert.deepEqual(inspectionData?.afterItemBatcher, [{ Items: [{ v: 1 }, { v: 2 }] }, { Items: [{ v: 3 }] }])
    const exceeded = await testState({ ...request, stateConfiguration: { mapIterationFailureCount: 2 } })
    assert.equal(exceeded.error, 'States.ExceedToleratedFailureThreshold')
  })

  test('reads the data that a reader would give', async () => {
    const definition = {
      ...map,
      ItemReader: { Resource: 'file', ReaderConfig: { InputType: 'CSV' } },
      ItemSelector: { 'a.$': '$$.Map.Item.Value.A' },
    }
    const json = {
      ...map,
      ItemReader: { Resource: 'file', ReaderConfig: { InputType: 'JSON', ItemsPointer: '/list' } },
    }
    const pointed = await testState({
      ...{ definition: json, mock: { result: [] }, inspectionLevel: 'DEBUG' },
      stateConfiguration: { mapItemReaderData: '{"list":[1,2]}' },
    })
    assert.deepEqual(pointed.inspectionData?.afterItemsPointer, [1, 2])
    const stateConfiguration = { mapItemReaderData: 'A\n1\n2' }
    const result = await testState({ definition, mock: { result: [] }, stateConfiguration, inspectionLevel: 'DEBUG' })
    assert.deepEqual(result.inspectionData?.afterItemSelector, [{ a: '1' }, { a: '2' }])
  })

  test('rejects requests that make no sense', async () => {
    const rejected = async (test: StateTest) => {
      const { status, error } = await testState(test)
      return status === 'REJECTED' ? error : status
    }
    const pass = { Type: 'Pass', End: true }
    assert.equal(await rejected({ definition: pass, mock: { result: 1 } }), 'ValidationException')
    assert.equal(await rejected({ definition: task, mock: { result: 1, errorOutput: {} } }), 'ValidationException')
    assert.equal(await rejected({ definition: map, mock: { result: {} } }), 'ValidationException')
    assert.equal(await rejected({ definition: map }), 'InvalidDefinition')
    for (const Resource of [
      'activity:a',
      'skill:a/b.waitForTaskToken',
      'arn:aws:states:::states:startExecution.sync:2',
    ]) {
      const definition = { ...task, Resource }
      assert.equal(await rejected({ definition }), 'InvalidDefinition', Resource)
      assert.equal(await rejected({ definition, mock: { result: {} } }), 'SUCCEEDED', Resource)
    }
    assert.equal(await rejected({ definition: task, mock: { result: 1 }, revealSecrets: true }), 'ValidationException')
    assert.equal(await rejected({ definition: pass, revealSecrets: true }), 'SUCCEEDED')
    const tooMany = { mapIterationFailureCount: 3 }
    assert.equal(
      await rejected({ definition: map, input: [1, 2], mock: { result: [] }, stateConfiguration: tooMany }),
      'ValidationException',
    )
    assert.equal(await rejected({ definition: pass, context: { State: {} } }), 'ValidationException')
    assert.equal(await rejected({ definition: task, context: { State: {} } }), 'ValidationException')
    assert.equal(await rejected({ definition: { Type: 'Nope', End: true } }), 'InvalidDefinition')
    assert.equal(await rejected({ definition: { ...pass, InputPath: 'x' } }), 'InvalidDefinition')
  })

  test('tells the wait before a retry in whole seconds', async () => {
    const Retry = [{ ErrorEquals: ['E'], IntervalSeconds: 3, BackoffRate: 1.5 }]
    const request = { mock: { errorOutput: { error: 'E' } }, stateConfiguration: { retrierRetryCount: 1 } }
    const { inspectionData } = await tryTask({ Retry }, { ...request, inspectionLevel: 'DEBUG' })
    assert.deepEqual(inspectionData?.errorDetails, { retryIndex: 0, retryBackoffIntervalSeconds: 4 })
  })

  test('lets a mocked error come from a state inside the Map, at any depth, and from no other', async () => {
    const inner = { ...map, ItemProcessor: { StartAt: 'Deep', States: { Deep: { Type: 'Pass', End: true } } } }
    const definition = {
      ...map,
      ItemProcessor: { ...(map.ItemProcessor as JsonObject), StartAt: 'M', States: { M: inner } },
    }
    const from = async (errorCausedByState: string): Promise<string> => {
      const mock = { errorOutput: { error: 'E' } }
      return (await testState({ definition, input: [1], mock, stateConfiguration: { errorCausedByState } })).status
    }
    assert.deepEqual([await from('M'), await from('Deep'), await from('Nope')], ['FAILED', 'FAILED', 'REJECTED'])
  })

  test('does not mind a state inside that has the name of a state without one', async () => {
    const definition = {
      ...map,
      ItemProcessor: { StartAt: 'StateName', States: { StateName: { Type: 'Pass', End: true } } },
    }
    const { status } = await testState({ definition, input: [1], mock: { result: [1] } })
    assert.equal(status, 'SUCCEEDED')
  })

  test('says in the form of the service what is wrong with a definition', async () => {
    const causeOf = async (definition: JsonObject, stateName?: string) =>
      (await testState(stateName === undefined ? { definition } : { definition, stateName })).cause
    const start = 'Invalid State Machine Definition: '
    assert.equal(
      await causeOf({ Type: 'Wait', Timestamp: 'x', End: true }),
      `${start}'SCHEMA_VALIDATION_FAILED: String does not match RFC3339 timestamp at /States/StateName/Timestamp'`,
    )
    for (const [Output, code] of [
      ['{% 1 + %}', 'INVALID_JSONATA_EXPRESSION: Unexpected end of expression at /States/StateName/Output'],
      [
        { filePath: '{% 1 + %}' },
        'INVALID_JSONATA_EXPRESSION: Unexpected end of expression at /States/StateName/Output/',
      ],
      ['{% phone %}', "UNSUPPORTED_JSONATA_EXPRESSION: Reference to 'phone' at the top level is not supported."],
    ] as const) {
      const cause = await causeOf({ Type: 'Pass', QueryLanguage: 'JSONata', Output, End: true })
      assert.ok(cause?.startsWith(`${start}'${code}`), cause)
    }
    assert.match(
      String(await causeOf({ Type: 'Pass', Parameters: { 'a.$': 'States.Nope(1)' }, End: true })),
      /SCHEMA_VALIDATION_FAILED: .*Nope at \/States\/StateName\/Parameters\/a\.\$/,
    )
    const states = {
      A: { ...task, End: true, Next: undefined, Catch: [{ ErrorEquals: ['E'], Next: 'X' }] } as unknown as JsonObject,
      B: { Type: 'Pass', End: true },
    }
    assert.equal(
      await causeOf(JSON.parse(JSON.stringify({ StartAt: 'A', States: states })), 'A'),
      `${start}'MISSING_TRANSITION_TARGET: Missing 'Next' target: X at /States/A/Catch[0]/Next, ` +
        `MISSING_TRANSITION_TARGET: State "B" is not reachable. at /States/B'`,
    )
    assert.equal(
      await causeOf({ StartAt: 'A', States: { A: { Type: 'Pass', Next: 'A' } } }, 'A'),
      `${start}'MISSING_END_STATE: Workflow has no terminal state at null'`,
    )
  })

  test('names the state in an error of the language', async () => {
    const result = await testState({ definition: { Type: 'Pass', InputPath: '$.nope', End: true } })
    assert.match(String(result.cause), /^An error occurred while executing the state 'StateName'/)
  })
})

test('a host may fail with an AslError of its own', async () => {
  const host = { task: () => Promise.reject(new AslError('Own', 'cause')) }
  assert.deepEqual(await tryTask({}, { host }), { status: 'FAILED', error: 'Own', cause: 'cause' })
})
