import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { startTestApp, type TestApp } from '../../test/support/app.ts'
import type { JsonObject } from '../platform/json.ts'

let app: TestApp
before(async () => {
  app = await startTestApp()
  await store('slow', { StartAt: 'A', TimeoutSeconds: 1, States: { A: { Type: 'Wait', Seconds: 60, End: true } } })
  await store('broken', { StartAt: 'A', States: { A: { Type: 'Pass', InputPath: '$.no', End: true } } })
})

const store = async (name: string, definition: JsonObject): Promise<void> => {
  const made = await app.call('POST', '/v1/workflows', { name, definition })
  assert.equal(made.status, 201, JSON.stringify(made.body))
}

/** What a catcher of everything sees of the state's error. */
const caught = async (name: string, state: JsonObject): Promise<{ Error: string; Cause: string }> => {
  const Catch = [{ ErrorEquals: ['States.ALL'], Next: 'Caught' }]
  const States = { A: { Type: 'Task', ...state, Catch, End: true }, Caught: { Type: 'Pass', End: true } }
  await store(name, { StartAt: 'A', States })
  const { body } = await app.call('POST', '/v1/runs', { workflow: name, input: {} })
  const run = (await app.call('GET', `/v1/runs/${body.id}?wait=30000`)).body
  assert.equal(run.status, 'completed', JSON.stringify(run.error))
  return run.output
}
const sync = (StateMachineArn: string, more: JsonObject = {}): JsonObject => ({
  Resource: 'arn:aws:states:::states:startExecution.sync',
  Parameters: { StateMachineArn, Input: {} },
  ...more,
})

test('a child that ends by its own time limit is a failed task, described as the service does', async () => {
  const seen = await caught('of-slow', sync('slow'))
  assert.equal(seen.Error, 'States.TaskFailed')
  const about = { Input: '{}', InputDetails: { Included: true }, StateMachineArn: 'slow' }
  assert.deepEqual(JSON.parse(seen.Cause), { ...about, Error: 'States.Timeout', Status: 'FAILED' })
})

test("the time limit of the state itself keeps its name, whatever the child's is", async () => {
  await store('endless', { StartAt: 'A', States: { A: { Type: 'Wait', Seconds: 60, End: true } } })
  const seen = await caught('of-endless', sync('endless', { TimeoutSeconds: 1 }))
  assert.equal(seen.Error, 'States.Timeout')
})

test('a child that its definition ended can be caught by its parent', async () => {
  const described = await caught('of-broken', sync('broken'))
  assert.equal(described.Error, 'States.TaskFailed')
  assert.equal(JSON.parse(described.Cause).Error, 'States.Runtime')
  const plain = await caught('of-broken-plain', { Resource: 'workflow:broken' })
  assert.equal(plain.Error, 'States.TaskFailed')
  assert.match(plain.Cause, /Invalid path '\$\.no'/)
})
