import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { DATABASES } from '../../test/support/databases.ts'
import { makeTaskRepository } from './repository.ts'
import { insertTask } from './rows.ts'
import type { Task } from './types.ts'

for (const kind of DATABASES) {
  const setUp = async (tasks: readonly Partial<Task>[]) => {
    const { db } = await kind.open()
    await db.commit({
      writes: tasks.map((more) =>
        insertTask(
          {
            ...{ id: randomUUID(), tenantId: 'a', projectId: null, runId: null, stepKey: null, kind: 'noop' },
            ...{ partition: 'tasks', status: 'queued', priority: 3, input: null, output: null, error: null },
            ...{ attempt: 0, lost: 0, settings: { retry: {} as Task['settings']['retry'] }, workerId: null, fence: 0 },
            ...{ runAtMs: 7, deadlineAtMs: null, progress: null, idempotencyKey: null, limitKey: null },
            ...{ createdAtMs: 0, startedAtMs: null, finishedAtMs: null },
            ...more,
          },
          'null',
        ),
      ),
    })
    return makeTaskRepository(db.primary).backlog('tasks')
  }
  const name = (title: string): string => `the backlog of tasks on ${kind.name}: ${title}`

  test(name('tenants with queued work are found in order, each once, from any place on'), async () => {
    const backlog = await setUp([
      ...['c', 'a', 'b', 'a', 'c'].map((tenantId) => ({ tenantId })),
      { tenantId: 'urgent', priority: 1 },
      { tenantId: 'done', status: 'completed' },
      { tenantId: 'elsewhere', partition: 'notifications' },
    ])
    assert.deepEqual(await backlog.tenants(3, '', 10), ['a', 'b', 'c'])
    assert.deepEqual(await backlog.tenants(3, 'a', 1), ['b'])
    assert.deepEqual(await backlog.tenants(3, 'c', 10), [])
    assert.deepEqual(await backlog.tenants(1, '', 10), ['urgent'])
    assert.deepEqual(await backlog.tenants(4, '', 10), [])
  })

  test(name('the limit keys of a tenant are found in order, first work without one'), async () => {
    const backlog = await setUp([
      ...['crm', 'bank', 'crm', null].map((limitKey) => ({ limitKey })),
      { tenantId: 'b', limitKey: 'other' },
    ])
    assert.deepEqual(await backlog.keys(3, 'a', undefined, 10), ['', 'bank', 'crm'])
    assert.deepEqual(await backlog.keys(3, 'a', undefined, 2), ['', 'bank'])
    assert.deepEqual(await backlog.keys(3, 'a', '', 10), ['bank', 'crm'])
    assert.deepEqual(await backlog.keys(3, 'b', undefined, 10), ['other'])
  })

  test(name('the head of a lane is its oldest work, as jobs'), async () => {
    const backlog = await setUp([
      ...['3', '1', '2'].map((id) => ({ id, limitKey: 'crm' })),
      { id: '0' },
      { id: '4', limitKey: 'crm', status: 'running' },
    ])
    const job = { partition: 'tasks', tenantId: 'a', priority: 3 }
    assert.deepEqual(await backlog.head(3, 'a', 'crm', 2), [
      { id: '1', ...job, key: 'crm', sinceMs: 7 },
      { id: '2', ...job, key: 'crm', sinceMs: 7 },
    ])
    assert.deepEqual(await backlog.head(3, 'a', '', 2), [{ id: '0', ...job, sinceMs: 7 }])
    const { queued, working } = await backlog.look(['1', '4', 'gone'])
    assert.deepEqual([queued.map(({ id }) => id), working], [['1'], ['4']])
  })
}
