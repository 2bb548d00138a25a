import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { startTestApp, type TestApp } from '../../test/support/app.ts'
import { until } from '../../test/support/until.ts'
import type { JsonObject } from '../platform/json.ts'

let app: TestApp
before(async () => {
  app = await startTestApp()
})

const machine = (states: JsonObject): JsonObject => ({ StartAt: 'A', States: states })

const start = async (name: string, definition: JsonObject, input: JsonObject = {}): Promise<string> => {
  const made = await app.call('POST', '/v1/workflows', { name, definition })
  assert.equal(made.status, 201, JSON.stringify(made.body))
  const { body } = await app.call('POST', '/v1/runs', { workflow: name, input })
  return body.id
}

const ended = async (id: string) => (await app.call('GET', `/v1/runs/${id}?wait=30000`)).body

const waitingTask = (runId: string) =>
  until('a waiting task', async () => (await app.call('GET', `/v1/tasks?runId=${runId}&status=waiting`)).body.items[0])

const callback = (more: JsonObject = {}): JsonObject => ({
  A: {
    Type: 'Task',
    Resource: 'skill:core/echo.waitForTaskToken',
    Parameters: { 'token.$': '$$.Task.Token' },
    End: true,
    ...more,
  },
})

test('the token that the definition hands out is the one that the API takes', async () => {
  const id = await start('callback', machine(callback()))
  const { token } = (await waitingTask(id)).input
  assert.match(token, /^[\w-]{43}$/)
  assert.equal((await app.call('POST', `/v1/task-tokens/${token}x/success`, { output: 1 })).status, 404)
  assert.equal((await app.call('POST', `/v1/task-tokens/${token}/heartbeat`, { progress: 'half' })).status, 204)
  assert.equal((await app.call('POST', `/v1/task-tokens/${token}/success`, { output: { paid: true } })).status, 204)
  assert.deepEqual((await ended(id)).output, { paid: true })
  const again = await app.call('POST', `/v1/task-tokens/${token}/success`, { output: 2 })
  assert.deepEqual([again.status, again.body.code], [409, 'task_not_waiting'])
})

test('a failure told by token is caught by its name, with its cause', async () => {
  const Catch = [{ ErrorEquals: ['Declined'], Next: 'Caught' }]
  const id = await start('declined', machine({ ...callback({ Catch }), Caught: { Type: 'Pass', End: true } }))
  const { token } = (await waitingTask(id)).input
  await app.call('POST', `/v1/task-tokens/${token}/failure`, { error: 'Declined', cause: 'no money' })
  assert.deepEqual((await ended(id)).output, { Error: 'Declined', Cause: 'no money' })
})

test('a token that nobody answers, or keeps alive, is a time-out; the latter can be caught by its own name', async () => {
  const silence = { TimeoutSeconds: 60, HeartbeatSeconds: 1 }
  const Catch = [{ ErrorEquals: ['States.HeartbeatTimeout'], Next: 'Caught' }]
  const caught = { ...callback({ ...silence, Catch }), Caught: { Type: 'Pass', OutputPath: '$.Error', End: true } }
  const late = await start('late', machine(callback({ TimeoutSeconds: 1 })))
  const silent = await start('silent', machine(callback(silence)))
  const handled = await start('handled', machine(caught))
  assert.equal((await ended(late)).error.code, 'States.Timeout')
  assert.equal((await ended(silent)).error.code, 'States.Timeout')
  assert.equal((await ended(handled)).output, 'States.Timeout')
})

test('a started execution with a token ends by the token, and its failure is not waited out', async () => {
  const child = (more: JsonObject) => ({
    A: {
      Type: 'Task',
      Resource: 'arn:aws:states:::states:startExecution.waitForTaskToken',
      Parameters: { StateMachineArn: 'child', Input: { 'token.$': '$$.Task.Token', ...more } },
      End: true,
    },
  })
  const definition = machine({
    A: { Type: 'Choice', Choices: [{ Variable: '$.fails', IsPresent: true, Next: 'F' }], Default: 'W' },
    F: { Type: 'Fail', Error: 'Broken', Cause: 'on purpose' },
    W: { Type: 'Wait', Seconds: 60, End: true },
  })
  await app.call('POST', '/v1/workflows', { name: 'child', definition })
  const failing = await start('parent-of-failing', machine(child({ fails: true })))
  assert.deepEqual((await ended(failing)).error, { code: 'Broken', message: 'on purpose' })
  const id = await start('parent', machine(child({})))
  await waitingTask(id)
  const { body } = await app.call('GET', '/v1/runs?target=child&status=waiting')
  await app.call('POST', `/v1/task-tokens/${body.items[0].input.token}/failure`, { error: 'Declined', cause: 'no' })
  assert.deepEqual((await ended(id)).error, { code: 'Declined', message: 'no' })
})

test('an execution is started once and not waited for, whatever becomes of it', async () => {
  const doomed = machine({ A: { Type: 'Fail', Error: 'Doomed' } })
  await app.call('POST', '/v1/workflows', { name: 'doomed', definition: doomed })
  const Resource = 'arn:aws:states:::states:startExecution'
  const Parameters = { StateMachineArn: 'doomed', Input: { n: 7 } }
  const id = await start('starter', machine({ A: { Type: 'Task', Resource, Parameters, End: true } }))
  const { status, output } = await ended(id)
  assert.equal(status, 'completed')
  const started = await ended(output.ExecutionArn)
  assert.deepEqual([started.status, started.input, started.parentRunId], ['failed', { n: 7 }, null])
  assert.equal(output.StartDate, started.createdAt)
})

test('http:invoke fails by the names of the service, and may be caught by them', async () => {
  const Catch = [
    { ErrorEquals: ['States.Runtime.Never'], Next: 'B' },
    { ErrorEquals: ['States.Http.Socket'], Next: 'C' },
  ]
  const Parameters = { ApiEndpoint: 'https://nowhere.invalid/', Method: 'GET' }
  const invoke = { Type: 'Task', Resource: 'arn:aws:states:::http:invoke', Parameters, Catch, End: true }
  const states = { A: invoke, B: { Type: 'Fail' }, C: { Type: 'Pass', Result: 'caught', End: true } }
  assert.equal((await ended(await start('calls', machine(states)))).output, 'caught')
})

test('a remote worker polls for an activity and answers', async () => {
  const activity = { Type: 'Task', Resource: 'activity:resize', Parameters: { 'image.$': '$.image' }, End: true }
  assert.equal((await app.call('POST', '/v1/activities/resize/poll?wait=0', {})).status, 204)
  const polling = app.call('POST', '/v1/activities/resize/poll?wait=30000', { worker: 'w1' })
  const id = await start('resizes', machine({ A: activity }), { image: 'a.png' })
  const { body, status } = await polling
  assert.deepEqual([status, body.input, body.attempt], [200, { image: 'a.png' }, 1])
  await app.call('POST', `/v1/task-tokens/${body.token}/success`, { output: 'small.png' })
  assert.equal((await ended(id)).output, 'small.png')
})

test('a key that may not write tasks neither answers nor polls', async () => {
  const { body: reader } = await app.call('POST', '/v1/keys', { name: 'reader', scopes: ['tasks:read'] })
  for (const path of ['task-tokens/t/success', 'task-tokens/t/heartbeat', 'activities/a/poll']) {
    assert.equal((await app.call('POST', `/v1/${path}`, {}, reader.key)).status, 403, path)
  }
})

test('one state is tried without a run, and nonsense is refused', async () => {
  const definition = { Type: 'Task', Resource: 'skill:x/y', ResultPath: '$.made', End: true }
  const tried = await app.call('POST', '/v1/workflows/test-state', {
    definition,
    input: { a: 1 },
    mock: { result: 7 },
    inspectionLevel: 'DEBUG',
  })
  assert.deepEqual([tried.status, tried.body.status, tried.body.output], [200, 'SUCCEEDED', { a: 1, made: 7 }])
  assert.equal(tried.body.inspectionData.result, 7)
  const failed = await app.call('POST', '/v1/workflows/test-state', { definition, input: {} })
  assert.equal(failed.body.status, 'FAILED')
  const refused = await app.call('POST', '/v1/workflows/test-state', { definition: { Type: 'Nap' } })
  assert.deepEqual([refused.status, refused.body.code], [422, 'state_test_rejected'])
})

test('validation tells code, place, state and severity of each finding', async () => {
  const definition = machine({
    A: { Type: 'Task', Resource: 'arn:aws:states:::dynamodb:getItem', Next: 'B' },
    C: { Type: 'Succeed' },
  })
  const { body } = await app.call('POST', '/v1/workflows/validate', { definition })
  assert.equal(body.valid, false)
  const seen = body.findings.map((finding: JsonObject) => [
    finding.severity,
    finding.code,
    finding.location,
    finding.state,
  ])
  assert.ok(
    seen.some((found: unknown[]) => String(found) === 'error,UNKNOWN_RESOURCE,/States/A/Resource,A'),
    seen,
  )
  assert.ok(
    seen.some((found: unknown[]) => String(found) === 'error,MISSING_TRANSITION_TARGET,/States/A/Next,A'),
    seen,
  )
  assert.ok(body.findings.length === body.errors.length + body.warnings.length)
})

test('the JSON Schema of definitions is served', async () => {
  const { status, body } = await app.call('GET', '/v1/workflows/schema.json')
  assert.equal(status, 200)
  assert.match(body.$schema, /json-schema/)
})
