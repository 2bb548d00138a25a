import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DATABASES } from '../../test/support/databases.ts'
import { startTestEngine } from '../../test/support/engine.ts'
import { until } from '../../test/support/until.ts'
import type { Run, WorkflowFunction } from '../engine/index.ts'
import { systemClock } from '../platform/clock.ts'
import { makeIdGenerator } from '../platform/ids.ts'
import type { Json, JsonObject } from '../platform/json.ts'
import { makeWorkflowService, type WorkflowService } from './service.ts'

const machine = (states: JsonObject, more: JsonObject = {}): JsonObject => ({
  StartAt: 'A',
  QueryLanguage: 'JSONata',
  ...more,
  States: states,
})
const pass = (output: Json): JsonObject => machine({ A: { Type: 'Pass', Output: output, End: true } })

for (const database of DATABASES) {
  const name = (title: string): string => `workflows on ${database.name}: ${title}`
  const setUp = async (bindings: Record<string, string> = {}) => {
    const { db } = await database.open()
    const workflows = makeWorkflowService({
      db,
      clock: systemClock,
      makeId: makeIdGenerator(),
      cacheMs: 1000,
      cacheMax: 10,
      bindings,
    })
    const put = (definition: JsonObject | string, tenantId = 't', format?: 'json' | 'yaml') =>
      workflows.put({ tenantId, projectId: null, name: 'w', definition, format })
    const locate = (version?: number, input: Json = null) =>
      workflows.locate({ tenantId: 't', projectId: null, kind: 'workflow', target: 'w', version, input })
    return { db, workflows, put, locate }
  }

  test(name('a changed definition is a new version, the same one is none'), async () => {
    const { put, locate, workflows } = await setUp()
    assert.equal((await put(pass(1))).workflow.version, 1)
    assert.equal((await put(pass(1))).isNew, false)
    assert.equal((await put(pass(2))).workflow.version, 2)
    assert.deepEqual(await locate(), { version: 2, projectId: null })
    assert.deepEqual(await locate(1), { version: 1, projectId: null })
    assert.deepEqual((await workflows.show('t', 'w', 1)).definition, pass(1))
    await assert.rejects(locate(3), { code: 'workflow_version_not_found', message: /the latest is 2/ })
  })

  test(name('two that put at the same moment both succeed, each with a version'), async () => {
    const { put } = await setUp()
    const made = await Promise.all([put(pass(1)), put(pass(2)), put(pass(3))])
    assert.deepEqual(made.map(({ workflow }) => workflow.version).toSorted(), [1, 2, 3])
  })

  test(name('YAML is taken as well'), async () => {
    const { put, workflows } = await setUp()
    await put('StartAt: A\nStates:\n  A:\n    Type: Succeed\n', 't', 'yaml')
    assert.deepEqual((await workflows.show('t', 'w')).definition, { StartAt: 'A', States: { A: { Type: 'Succeed' } } })
  })

  test(name('a refused definition names the state and the reason, and stores nothing'), async () => {
    const { put, workflows } = await setUp()
    const bad = machine({ A: { Type: 'Pass', Next: 'Nowhere' } })
    await assert.rejects(put(bad), (error: { code: string; findings: { path: string; message: string }[] }) => {
      assert.equal(error.code, 'definition_invalid')
      assert.match(error.findings[0]?.path ?? '', /\/States\/A\/Next/)
      assert.match(error.findings[0]?.message ?? '', /Nowhere/)
      return true
    })
    await assert.rejects(workflows.show('t', 'w'), { code: 'workflow_not_found' })
  })

  test(name('an archived workflow takes no runs until it is put again'), async () => {
    const { put, locate, workflows } = await setUp()
    await put(pass(1))
    await locate()
    await workflows.archive('t', 'w')
    await assert.rejects(locate(), { code: 'workflow_archived' })
    await put(pass(1))
    assert.deepEqual(await locate(), { version: 2, projectId: null })
  })

  test(name("another tenant's workflow does not exist"), async () => {
    const { put, workflows } = await setUp()
    await put(pass(1), 'other')
    await assert.rejects(workflows.show('t', 'w'), { code: 'workflow_not_found' })
    assert.deepEqual(await workflows.list('t', { limit: 10 }), [])
  })

  test(name('a workflow in code checks its input and keeps its versions'), async () => {
    const { workflows, locate } = await setUp()
    const fn: WorkflowFunction = () => 1
    const checkInput = async (input: Json) => (input === 'good' ? [] : [{ path: 'input', message: 'must be good' }])
    workflows.register({ name: 'w', version: 1, fn })
    workflows.register({ name: 'w', version: 2, fn, checkInput })
    assert.deepEqual(await locate(undefined, 'good'), { version: 2, projectId: null })
    assert.deepEqual(await locate(1, 'bad'), { version: 1, projectId: null })
    await assert.rejects(locate(undefined, 'bad'), { code: 'input_invalid', message: /must be good/ })
  })

  const runAsl = async (
    definition: JsonObject,
    input: Json,
    handlers: Parameters<typeof startTestEngine>[0]['handlers'] = {},
  ): Promise<Run> => {
    const { db, workflows, put } = await setUp()
    await put(definition)
    const engine = await startTestEngine({ db, workflows: { w: loaded(workflows) }, handlers })
    const run = await engine.result('w', input)
    await engine.stop()
    return run
  }

  /** The stored definition as a function of the test engine, whose runs have tenants of their own. */
  const loaded =
    (workflows: WorkflowService): WorkflowFunction =>
    async (ctx, input) => {
      const fn = await workflows.load({ tenantId: 't', target: 'w', version: 1, id: ctx.runId } as Run)
      return (fn as WorkflowFunction)(ctx, input)
    }

  test(name('a Task does a skill, its failure is caught by name, and a Map keeps order'), async () => {
    const definition = machine({
      A: {
        Type: 'Map',
        Items: '{% $states.input %}',
        MaxConcurrency: 2,
        ItemProcessor: {
          StartAt: 'Square',
          States: {
            Square: {
              Type: 'Task',
              Resource: 'skill:math/square',
              Arguments: '{% $states.input %}',
              Catch: [{ ErrorEquals: ['too_big'], Output: '{% $states.errorOutput.Error %}', Next: 'Caught' }],
              End: true,
            },
            Caught: { Type: 'Pass', End: true },
          },
        },
        End: true,
      },
    })
    const square = async (input: Json): Promise<Json> => {
      if (Number(input) > 3) throw Object.assign(new Error('too big'), { code: 'too_big' })
      return Number(input) ** 2
    }
    const run = await runAsl(definition, [1, 2, 3, 4], { 'skill:math/square': square })
    assert.deepEqual(run.output, [1, 4, 9, 'too_big'], JSON.stringify(run.error))
  })

  test(name('a Task that takes too long fails with States.Timeout, and Fail gives its error'), async () => {
    const slow = { 'skill:s/slow': () => new Promise<Json>(() => {}) }
    const timed = machine({ A: { Type: 'Task', Resource: 'skill:s/slow', TimeoutSeconds: 1, End: true } })
    assert.equal((await runAsl(timed, null, slow)).error?.code, 'States.Timeout')
    const failing = machine({ A: { Type: 'Fail', Error: 'Broken', Cause: 'on purpose' } })
    const run = await runAsl(failing, null)
    assert.deepEqual(run.error, { code: 'Broken', message: 'on purpose' })
    assert.equal(run.status, 'failed')
  })

  test(
    name('an imported definition runs unchanged: its ARNs are bound, its nested execution is a workflow'),
    async () => {
      const lambda = 'arn:aws:lambda:eu-west-1:123456789012:function'
      const { db, workflows, put } = await setUp({ [`${lambda}:*`]: 'skill:functions/*' })
      await put({
        StartAt: 'Direct',
        States: {
          Direct: { Type: 'Task', Resource: `${lambda}:double`, ResultPath: '$.n', InputPath: '$.n', Next: 'Invoke' },
          Invoke: {
            Type: 'Task',
            Resource: 'arn:aws:states:::lambda:invoke',
            Parameters: { FunctionName: `${lambda}:double:$LATEST`, 'Payload.$': '$.n' },
            OutputPath: '$.Payload',
            Next: 'Nested',
          },
          Nested: {
            Type: 'Task',
            Resource: 'arn:aws:states:::states:startExecution.sync:2',
            Parameters: { StateMachineArn: 'arn:aws:states:eu-west-1:1:stateMachine:child', 'Input.$': '$' },
            ResultSelector: { 'child.$': '$.Output', 'status.$': '$.Status' },
            End: true,
          },
        },
      })
      const child: WorkflowFunction = (_, input) => ({ got: input as Json })
      const double = async (n: Json): Promise<Json> => Number(n) * 2
      const handlers = { 'skill:functions/double': double }
      const engine = await startTestEngine({ db, workflows: { w: loaded(workflows), child }, handlers })
      const run = await engine.result('w', { n: 3 })
      await engine.stop()
      assert.deepEqual(run.output, { child: { got: 12 }, status: 'SUCCEEDED' }, JSON.stringify(run.error))
    },
  )

  test(name('the context object tells of the run what the service does, but roles'), async () => {
    const run = await runAsl({ StartAt: 'A', States: { A: { Type: 'Pass', InputPath: '$$', End: true } } }, { n: 1 })
    const { Execution, StateMachine, State } = run.output as Record<string, JsonObject>
    assert.deepEqual(Object.keys(Execution ?? {}).sort(), ['Id', 'Input', 'Name', 'RedriveCount', 'StartTime'])
    assert.deepEqual([Execution?.Input, Execution?.RedriveCount], [{ n: 1 }, 0])
    assert.deepEqual([Object.keys(StateMachine ?? {}), State?.Name], [['Id', 'Name'], 'A'])
  })

  test(name('a function that nothing is bound to refuses the definition, or at run time the state'), async () => {
    const invoke = (parameters: JsonObject): JsonObject => ({
      StartAt: 'A',
      States: {
        A: { Type: 'Task', Resource: 'arn:aws:states:::lambda:invoke', Parameters: parameters, End: true },
      },
    })
    const { put } = await setUp()
    await assert.rejects(put(invoke({ FunctionName: 'gone' })), { code: 'definition_invalid', message: /gone/ })
    const run = await runAsl(invoke({ 'FunctionName.$': '$.name' }), { name: 'gone' })
    assert.equal(run.error?.code, 'States.Runtime')
    assert.match(run.error?.message ?? '', /nothing is bound to "gone"/)
  })

  test(name('a binding to nothing that AIDOS has is refused at the start'), async () => {
    await assert.rejects(setUp({ 'arn:x': 'sqs:send' }), { code: 'binding_invalid', message: /sqs:send/ })
  })

  test(name('a token handed out before a crash is the one that is taken after it'), async () => {
    const { db, workflows, put } = await setUp()
    const hold = { Type: 'Task', Resource: 'skill:x/tell.waitForTaskToken', Parameters: { 'token.$': '$$.Task.Token' } }
    await put({ StartAt: 'A', States: { A: { ...hold, Next: 'B' }, B: { ...hold, End: true } } })
    const tokens = new Set<string>()
    const tell = async (input: Json): Promise<Json> => tokens.add((input as { token: string }).token).size
    const options = { db, programs: workflows, tenantId: 't', handlers: { 'skill:x/tell': tell } }
    const told = (count: number): Promise<string> => until(`token number ${count}`, () => [...tokens][count - 1])
    const first = await startTestEngine(options)
    const { id } = await first.run('w')
    const token = await told(1)
    await first.crash()
    const second = await startTestEngine(options)
    await second.tasks.answers.answer('t', token, { output: 1 })
    await second.tasks.answers.answer('t', await told(2), { output: 'done' })
    const run = await second.wait(id)
    await second.stop()
    assert.equal(run.output, 'done', JSON.stringify(run.error))
    assert.equal(tokens.size, 2, 'each state has a token of its own')
  })
}
