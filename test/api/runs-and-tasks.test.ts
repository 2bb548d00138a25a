import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { startTestApp, type TestApp } from '../support/app.ts'
import { until } from '../support/until.ts'

let app: TestApp
before(async () => {
  app = await startTestApp()
  const definition = {
    StartAt: 'Echo',
    QueryLanguage: 'JSONata',
    States: {
      Echo: { Type: 'Task', Resource: 'skill:core/echo', Arguments: '{% $states.input %}', Next: 'Approval' },
      Approval: { Type: 'Task', Resource: 'signal:approved', TimeoutSeconds: 60, Next: 'Done' },
      Done: { Type: 'Succeed', Output: '{% $states.input %}' },
    },
  }
  const made = await app.call('POST', '/v1/workflows', { name: 'approve', definition })
  assert.equal(made.status, 201, JSON.stringify(made.body))
})

const ended = (path: string): Promise<Record<string, unknown>> =>
  until(`the end of ${path}`, async () => {
    const { body } = await app.call('GET', path)
    return body.finishedAt ? body : undefined
  })

/** Reads a stream of server-sent events until `enough` says so, or its end. */
const readStream = async (path: string, lastId: number, enough: (types: readonly string[]) => boolean) => {
  const controller = new AbortController()
  const headers = { authorization: `Bearer ${app.app.key}`, 'last-event-id': String(lastId) }
  const response = await fetch(`${app.app.url}${path}`, { headers, signal: controller.signal })
  assert.equal(response.headers.get('content-type'), 'text/event-stream')
  const events: { id: number; type: string }[] = []
  let text = ''
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    text += Buffer.from(chunk).toString()
    const blocks = text.split('\n\n')
    text = blocks.pop() as string
    for (const block of blocks) {
      const data = /^data: (.*)$/m.exec(block)
      if (data) events.push(JSON.parse(data[1] as string))
    }
    if (enough(events.map((event) => event.type))) break
  }
  controller.abort()
  return events
}

test("a run's stream resumes after Last-Event-ID without a gap or a repetition, and ends with the run", async () => {
  const { body: run } = await app.call('POST', '/v1/runs', { workflow: 'approve', input: { n: 1 } })
  const first = await readStream(`/v1/runs/${run.id}/stream`, 0, (types) => types.includes('signal.waiting'))
  await app.call('POST', `/v1/runs/${run.id}/signals/approved`, { payload: { by: 'me' } })
  const rest = await readStream(`/v1/runs/${run.id}/stream`, first.at(-1)?.id ?? 0, () => false)
  assert.equal(rest.at(-1)?.type, 'run.completed')
  const { body } = await app.call('GET', `/v1/runs/${run.id}/events?limit=500`)
  assert.deepEqual(
    [...first, ...rest].map((event) => event.id),
    body.items.map((event: { id: number }) => event.id),
  )
  const done = await ended(`/v1/runs/${run.id}`)
  assert.deepEqual(done.output, { by: 'me' })
})

test('?wait answers with the ended run, or with the run as it is', async () => {
  const waiting = await app.call('POST', '/v1/runs?wait=100', { workflow: 'approve' })
  assert.equal(waiting.body.finishedAt, null)
  setTimeout(() => void app.call('POST', `/v1/runs/${waiting.body.id}/signals/approved`), 50)
  const done = await app.call('GET', `/v1/runs/${waiting.body.id}?wait=30000`)
  assert.equal(done.body.status, 'completed')
})

test('the same idempotency key makes one task, and another input is a conflict', async () => {
  const body = { kind: 'skill:core/echo', input: 1, idempotencyKey: 'once' }
  const [a, b] = await Promise.all([app.call('POST', '/v1/tasks', body), app.call('POST', '/v1/tasks', body)])
  assert.equal(a.body.id, b.body.id)
  assert.deepEqual([a.status, b.status].toSorted(), [200, 201])
  const conflict = await app.call('POST', '/v1/tasks', { ...body, input: 2 })
  assert.equal(conflict.status, 409)
  assert.equal(conflict.body.code, 'idempotency_conflict')
})

test('a task that uses up its attempts is dead, and is redriven one by one, by filter, or discarded', async () => {
  const fail = {
    kind: 'skill:core/fail',
    input: { message: 'no', retryable: true },
    retry: { attempts: 2, delay: 1, jitter: 0 },
  }
  const tasks = await Promise.all(
    [1, 2, 3].map(async () => (await app.call('POST', '/v1/tasks', fail)).body.id as string),
  )
  for (const id of tasks) assert.equal((await ended(`/v1/tasks/${id}`)).status, 'dead')
  const letters = (await app.call('GET', '/v1/dead-letters?status=dead')).body.items
  assert.equal(letters.length, 3)
  assert.equal(letters[0].reason, 'attempts_used_up')
  assert.equal(letters[0].attempts, 2)
  const types = (await app.call('GET', `/v1/tasks/${letters[0].taskId}/events`)).body.items.map(
    (event: { type: string }) => event.type,
  )
  assert.deepEqual(types, ['task.started', 'task.retrying', 'task.started', 'task.dead'])

  assert.equal((await app.call('POST', `/v1/dead-letters/${letters[0].id}/redrive`)).body.status, 'redriven')
  assert.equal((await app.call('DELETE', `/v1/dead-letters/${letters[1].id}`)).body.status, 'discarded')
  assert.equal((await app.call('POST', `/v1/dead-letters/${letters[1].id}/redrive`)).body.code, 'dead_letter_resolved')
  // It fails again and is a dead letter anew: the filter finds it and the third.
  assert.equal((await ended(`/v1/tasks/${letters[0].taskId}`)).status, 'dead')
  const started = await app.call('POST', '/v1/dead-letters/redrive', { kind: 'skill:core/fail' })
  assert.equal(started.status, 202)
  const redrive = await until('the end of the redrive', async () => {
    const { body } = await app.call('GET', `/v1/dead-letters/redrives/${started.body.id}`)
    return body.status === 'running' ? undefined : body
  })
  assert.deepEqual([redrive.status, redrive.count, redrive.skipped], ['completed', 2, 0])
  assert.equal((await app.call('GET', '/v1/dead-letters/redrives')).body.items[0].id, redrive.id)
  const cancelled = await app.call('POST', `/v1/dead-letters/redrives/${redrive.id}/cancel`)
  assert.equal(cancelled.body.code, 'redrive_over')

  for (const index of [0, 2]) assert.equal((await ended(`/v1/tasks/${letters[index].taskId}`)).status, 'dead')
  const [newest] = (await app.call('GET', '/v1/dead-letters?status=dead')).body.items
  const shown = (await app.call('GET', `/v1/dead-letters/${newest.id}`)).body
  assert.equal(shown.task.id, newest.taskId)
  const history = shown.history.map((event: { type: string }) => event.type)
  assert.ok(history.includes('task.redriven') && history.at(-1) === 'task.dead', history.join())
  assert.deepEqual((await app.call('POST', '/v1/dead-letters/discard', {})).body, { count: 2, hasMore: false })
  assert.deepEqual((await app.call('GET', '/v1/dead-letters?status=dead')).body.items, [])
  const metrics = await fetch(`${app.app.url}/metrics`).then((answer) => answer.text())
  assert.match(metrics, /aidos_dead_letters_redriven 2/)
})

test('a later task is scheduled, can be cancelled, and runs at its time', async () => {
  const { body: later } = await app.call('POST', '/v1/tasks', { kind: 'skill:core/echo', input: 1, delay: '1 hour' })
  assert.equal(later.status, 'scheduled')
  assert.equal((await app.call('POST', `/v1/tasks/${later.id}/cancel`)).body.status, 'cancelled')
  assert.equal((await app.call('POST', `/v1/tasks/${later.id}/cancel`)).body.code, 'task_not_open')
  const { body: soon } = await app.call('POST', '/v1/tasks', { kind: 'skill:core/echo', input: 2, delay: 80 })
  const done = await ended(`/v1/tasks/${soon.id}`)
  assert.ok(Date.parse(done.startedAt as string) - Date.parse(soon.createdAt) >= 80)
})

test('a task past its deadline is dead', async () => {
  const body = { kind: 'skill:core/sleep', input: { ms: 5000 }, deadline: new Date(Date.now() + 100).toISOString() }
  const { body: task } = await app.call('POST', '/v1/tasks', body)
  const dead = await ended(`/v1/tasks/${task.id}`)
  assert.equal(dead.status, 'dead')
  assert.equal((dead.error as { code: string }).code, 'task_deadline_passed')
})

test('lists are paged without gap or repetition, and filtered', async () => {
  const made = await Promise.all(
    Array.from(
      { length: 12 },
      async () => (await app.call('POST', '/v1/tasks', { kind: 'skill:core/noop', priority: 'low' })).body.id,
    ),
  )
  const seen: string[] = []
  let cursor = ''
  do {
    const { body } = await app.call('GET', `/v1/tasks?kind=skill:core/noop&limit=5${cursor}`)
    seen.push(...body.items.map((task: { id: string }) => task.id))
    cursor = body.nextCursor ? `&cursor=${body.nextCursor}` : ''
  } while (cursor)
  assert.deepEqual(seen.toSorted(), made.toSorted())
  assert.equal(new Set(seen).size, 12)
})

test("a run's steps are paged, from the first on", async () => {
  const { body: run } = await app.call('POST', '/v1/runs', { workflow: 'approve', input: 1 })
  await app.call('POST', `/v1/runs/${run.id}/signals/approved`)
  await ended(`/v1/runs/${run.id}`)
  const all = (await app.call('GET', `/v1/runs/${run.id}/steps`)).body
  assert.ok(all.items.length >= 2 && all.nextCursor === null)
  const first = (await app.call('GET', `/v1/runs/${run.id}/steps?limit=1`)).body
  const rest = (await app.call('GET', `/v1/runs/${run.id}/steps?cursor=${first.nextCursor}`)).body
  assert.equal(first.items.length, 1)
  assert.deepEqual([...first.items, ...rest.items], all.items)
  assert.equal((await app.call('GET', `/v1/runs/${run.id}/steps?limit=0`)).status, 400)
})

test('every list is paged, or says that it is answered in one page', async () => {
  const { paths } = (await app.call('GET', '/openapi.json', undefined, null)).body
  const noList = /\/(limits|session|stream|schema\.json|preview)$/
  const lists = Object.keys(paths).filter((path) => /^\/v1\/.*\w$/.test(path) && paths[path].get && !noList.test(path))
  assert.ok(lists.length >= 20, lists.join())
  const unpaged = lists.filter((path) => {
    const names = (paths[path].get.parameters ?? []).map(({ name }: { name: string }) => name)
    return !(names.includes('limit') && (names.includes('cursor') || names.includes('after')))
  })
  assert.deepEqual(unpaged, ['/v1/queues', '/v1/subscriptions/types'])
  for (const path of unpaged) assert.match(paths[path].get.description, /in one page/)
})

test('the OpenAPI document is 3.1 and has every route; the health routes are open', async () => {
  const { body } = await app.call('GET', '/openapi.json', undefined, null)
  assert.match(body.openapi, /^3\.1/)
  for (const path of ['/v1/runs', '/v1/tasks/{id}', '/v1/agents', '/v1/skills', '/v1/workflows', '/v1/dead-letters'])
    assert.ok(body.paths[path], path)
  for (const path of ['/healthz', '/readyz', '/metrics', '/docs'])
    assert.equal((await app.call('GET', path, undefined, null)).status, 200, path)
})

test('keys, projects and tenants are paged like every list', async () => {
  for (const list of ['keys', 'projects', 'tenants']) {
    for (const extra of ['1', '2'])
      assert.equal((await app.call('POST', `/v1/${list}`, { name: `paged-${extra}` })).status, 201)
    const first = (await app.call('GET', `/v1/${list}?limit=1`)).body
    const second = (await app.call('GET', `/v1/${list}?limit=1&cursor=${first.nextCursor}`)).body
    assert.deepEqual([first.items[0].name, second.items[0].name], [`paged-2`, `paged-1`])
    assert.equal((await app.call('GET', `/v1/${list}`)).body.nextCursor, null)
    assert.equal((await app.call('GET', `/v1/${list}?limit=0`)).status, 400)
    assert.equal((await app.call('GET', `/v1/${list}?cursor=zzz`)).body.code, 'cursor_invalid')
  }
})
