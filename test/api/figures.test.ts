/** Figures that an operator watches, as a whole AIDOS serves them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startTestApp } from '../support/app.ts'
import { until } from '../support/until.ts'

test('/metrics has what retention removed by kind, and failed sign-ins, written and passed over', async (t) => {
  const app = await startTestApp({}, t)
  for (let i = 0; i < 12; i++) await app.call('GET', '/v1/runs', undefined, 'aidos_wrong')
  const text = String((await app.call('GET', '/metrics')).body)
  for (const kind of ['runs', 'tasks', 'deliveries', 'inbox', 'events', 'usage', 'answers', 'sessions'])
    assert.ok(text.includes(`aidos_retention_removed{kind="${kind}"} 0`), kind)
  assert.match(text, /^aidos_retention_last_pass_seconds 0$/m)
  assert.match(text, /^aidos_sign_ins_failed\{entry="written"\} 10$/m)
  assert.match(text, /^aidos_sign_ins_failed\{entry="passed_over"\} 2$/m)
})

test('/metrics has what is not over by status, and what has happened by type of event', async (t) => {
  const app = await startTestApp({}, t)
  await app.call('POST', '/v1/tasks', { kind: 'skill:core/noop', delay: '1h' })
  const { id } = (await app.call('POST', '/v1/tasks', { kind: 'skill:core/noop' })).body
  await until('its end', async () => (await app.call('GET', `/v1/tasks/${id}`)).body.status === 'completed')
  const text = String((await app.call('GET', '/metrics')).body)
  assert.match(text, /^aidos_tasks\{status="scheduled"\} 1$/m)
  assert.match(text, /^aidos_tasks\{status="running"\} 0$/m)
  assert.doesNotMatch(text, /^aidos_tasks\{status="completed"\}/m)
  assert.match(text, /^aidos_runs\{status="stopped"\} 0$/m)
  assert.match(text, /^aidos_events_total\{type="task.completed"\} 1$/m)
})
