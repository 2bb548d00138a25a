import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { startTestApp } from '../../test/support/app.ts'
import { type Client, makeClient } from './client.ts'

let client: Client
before(async () => {
  const { app } = await startTestApp()
  client = makeClient({ url: app.url ?? '', key: app.key })
  const pack = { Type: 'Task', Resource: 'activity:pack', End: true }
  await client.workflows.put({ name: 'packs', definition: { StartAt: 'A', States: { A: pack } } })
})

test('a worker polls for a task, keeps it alive and ends it', async () => {
  assert.equal(await client.activities.poll('pack', { waitMs: 0 }), undefined)
  const polling = client.activities.poll('pack', { waitMs: 30_000, worker: 'w1' })
  const run = await client.runs.start({ workflow: 'packs', input: { box: 1 } })
  const task = await polling
  assert.deepEqual([task?.input, task?.runId], [{ box: 1 }, run.id])
  await client.taskTokens.heartbeat(task?.token ?? '', { done: 0.5 })
  await client.taskTokens.succeed(task?.token ?? '', 'packed')
  for await (const event of client.runs.watch(run.id)) assert.notEqual(event.type, 'run.failed')
  assert.equal((await client.runs.find(run.id)).output, 'packed')
})

test('a worker that fails names the error that the definition may catch', async () => {
  const run = await client.runs.start({ workflow: 'packs' })
  const task = await client.activities.poll('pack', { waitMs: 30_000 })
  await client.taskTokens.fail(task?.token ?? '', { error: 'TooHeavy', cause: '41 kg' })
  for await (const event of client.runs.watch(run.id)) assert.notEqual(event.type, 'run.completed')
  const { error } = await client.runs.find(run.id)
  assert.deepEqual([error?.code, error?.message], ['TooHeavy', '41 kg'])
})

test('findings, the test of one state and the schema come in their own forms', async () => {
  const { valid, findings } = await client.workflows.validate({ definition: { StartAt: 'A', States: {} } })
  assert.equal(valid, false)
  assert.ok(findings.every((finding) => finding.severity && finding.code && finding.message))
  const definition = { Type: 'Pass', Result: 7, End: true }
  assert.deepEqual(await client.workflows.testState({ definition }), { status: 'SUCCEEDED', output: 7 })
  assert.match(String((await client.workflows.schema()).$schema), /json-schema/)
})
