import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DATABASES } from '../../test/support/databases.ts'
import { DAY_MS, makeRows, makeTurnedClock } from '../../test/support/retention.ts'
import type { Database } from '../platform/db/database.ts'
import { makeLog } from '../platform/log.ts'
import { planTransactions } from './runs.ts'
import type { RetentionTables } from './schema.ts'
import { makeRetention, type RetentionOptions } from './service.ts'

const KEEP = { runs: 30, tasks: 30, deliveries: 30, inbox: 30, events: 30, audit: 400, usage: 400 }
const READER = 'reader'

for (const database of DATABASES) {
  const setUp = async () => {
    const { db } = await database.open()
    const { clock, daysAgo, turnUntil } = makeTurnedClock()
    const rows = makeRows(db)
    const make = (more: Partial<RetentionOptions> = {}) =>
      makeRetention({ db, clock, log: makeLog('silent'), keepDays: KEEP, readers: [READER], ...more })
    const pass = (more: Partial<RetentionOptions> = {}) => turnUntil(make(more).pass())
    return { db, clock, daysAgo, turnUntil, ...rows, make, pass }
  }
  const name = (title: string): string => `retention on ${database.name} ${title}`

  test(name('removes a run that ended long ago with all that is its own; young and open ones stay whole'), async () => {
    const { addRun, all, daysAgo, make, turnUntil } = await setUp()
    await addRun('old', daysAgo(31))
    await addRun('young', daysAgo(29))
    await addRun('open', null)
    const retention = make()
    await turnUntil(retention.pass())
    assert.deepEqual(await all('runs'), ['open', 'young'])
    for (const table of ['journal', 'signals', 'tasks', 'events'])
      assert.deepEqual(await all(table, 'run_id'), ['open', 'young'], table)
    assert.equal(retention.removed.runs, 1)
  })

  test(name('removes children with their root, never before it'), async () => {
    const { addRun, all, daysAgo, pass } = await setUp()
    await addRun('open', null)
    await addRun('open-child', daysAgo(90), 'open')
    await addRun('open-grandchild', daysAgo(90), 'open-child')
    await addRun('young', daysAgo(1))
    await addRun('young-child', daysAgo(90), 'young')
    await addRun('old', daysAgo(31))
    await addRun('old-child', daysAgo(90), 'old')
    await addRun('old-grandchild', daysAgo(90), 'old-child')
    await addRun('left', daysAgo(90))
    await addRun('left-child', daysAgo(90), 'left')
    await addRun('left-grandchild', null, 'left-child')
    await pass()
    const kept = ['left', 'left-child', 'left-grandchild', 'open', 'open-child', 'open-grandchild']
    assert.deepEqual(await all('runs'), [...kept, 'young', 'young-child'])
    assert.deepEqual(await all('events', 'run_id'), [...kept, 'young', 'young-child'])
  })

  test(name('goes through more than fits on a page, past what has to stay'), async () => {
    const { addRun, addTask, all, insert, daysAgo, pass } = await setUp()
    for (let i = 0; i < 7; i++) {
      await addRun(`run-${i}`, daysAgo(40))
      await addTask(`lone-${i}`, daysAgo(40))
    }
    await addRun('child', null, 'run-1')
    await insert('dead_letters', { id: 'letter', task_id: 'lone-2', status: 'dead' })
    await pass({ pageSize: 2 })
    assert.deepEqual(await all('runs'), ['child', 'run-1'])
    assert.deepEqual(await all('tasks'), ['lone-2', 'task-child', 'task-run-1'])
  })

  /** A database whose process dies in or after the n-th removal. */
  const dyingAt = (db: Database, count: number, when: 'within' | 'after'): Database => {
    let transactions = 0
    return {
      ...db,
      async transaction(work) {
        transactions++
        if (transactions > count) throw new Error('the process is dead')
        return db.transaction(async (tx) => {
          const result = await work(tx)
          if (transactions === count && when === 'within') throw new Error('the process died')
          return result
        })
      },
    }
  }

  for (const when of ['within', 'after'] as const) {
    test(
      name(`leaves nothing half removed when the process dies ${when} a transaction, and goes on later`),
      async () => {
        const { db, addRun, all, daysAgo, pass } = await setUp()
        await addRun('root', daysAgo(40), null, 3)
        for (let i = 0; i < 6; i++) await addRun(`child-${i}`, daysAgo(40), 'root', 3)
        for (let i = 0; i < 6; i++) await addRun(`leaf-${i}`, daysAgo(40), `child-${i}`, 3)
        // Three runs with their events at a time: five transactions for thirteen runs.
        await pass({ db: dyingAt(db, 3, when), rowsAtATime: 12 })
        const left = await all('runs')
        assert.equal(left.length, when === 'within' ? 7 : 4)
        assert.ok(left.includes('root'))
        for (const run of left.filter((id) => id.startsWith('leaf')))
          assert.ok(left.includes(run.replace('leaf', 'child')), `${run} has its parent`)
        for (const table of ['journal', 'signals', 'tasks']) assert.deepEqual(await all(table, 'run_id'), left, table)
        const events = await all('events', 'run_id')
        assert.deepEqual([...new Set(events)], left)
        assert.equal(events.length, left.length * 3)
        await pass()
        for (const table of ['runs', 'journal', 'signals', 'tasks', 'events'])
          assert.deepEqual(await all(table, table === 'runs' ? 'id' : 'run_id'), [], table)
      },
    )
  }

  test(name('removes ended tasks of no run with their resolved dead letters; open letters stay'), async () => {
    const { addTask, insert, all, daysAgo, pass } = await setUp()
    for (const id of ['done', 'dead', 'discarded', 'just-discarded']) await addTask(id, daysAgo(31))
    await addTask('young', daysAgo(29))
    await addTask('open', null)
    const letter = (task: string, status: string, resolvedMs: number | null) =>
      insert('dead_letters', { id: `letter-${task}`, task_id: task, status, resolved_at: resolvedMs })
    await letter('dead', 'dead', null)
    await letter('discarded', 'discarded', daysAgo(30))
    await letter('just-discarded', 'discarded', daysAgo(1))
    await pass()
    assert.deepEqual(await all('tasks'), ['dead', 'just-discarded', 'open', 'young'])
    assert.deepEqual(await all('events', 'task_id'), ['dead', 'just-discarded', 'open', 'young'])
    assert.deepEqual(await all('dead_letters'), ['letter-dead', 'letter-just-discarded'])
  })

  test(name('leaves a task alone that is started anew between the look and the removal'), async () => {
    const { db, addTask, run, all, daysAgo, pass } = await setUp()
    await addTask('again', daysAgo(40))
    await addTask('old', daysAgo(40))
    const restarting: Database = {
      ...db,
      async transaction(work) {
        await run("UPDATE tasks SET status = 'queued', finished_at = NULL WHERE id = 'again'")
        return db.transaction(work)
      },
    }
    await pass({ db: restarting })
    assert.deepEqual(await all('tasks'), ['again'])
    assert.deepEqual(await all('events', 'task_id'), ['again'])
  })

  test(name('removes nothing whose events a reader of the log has yet to read'), async () => {
    const { addRun, addTask, insert, run, all, daysAgo, pass } = await setUp()
    const alone = (type: string) => insert('events', { type, at: daysAgo(40) })
    await addRun('read', daysAgo(40))
    await addTask('read-task', daysAgo(40))
    await alone('agent.created')
    const position = Math.max(...(await all('events')).map(Number))
    await insert('cursors', { name: READER, position })
    await addRun('unread', daysAgo(40))
    await addRun('parent', daysAgo(40), null, 0)
    await addRun('unread-child', daysAgo(40), 'parent')
    await addTask('unread-task', daysAgo(40))
    await alone('agent.paused')
    await pass()
    assert.deepEqual(await all('runs'), ['parent', 'unread', 'unread-child'])
    assert.deepEqual(
      (await all('tasks')).filter((id) => !id.startsWith('task-')),
      ['unread-task'],
    )
    assert.equal((await all('events')).length, 4)
    assert.ok((await all('events')).every((id) => Number(id) > position))
    await run(`UPDATE cursors SET position = ${position + 100}`)
    await pass()
    for (const table of ['runs', 'tasks', 'events']) assert.deepEqual(await all(table), [], table)
  })

  test(name('removes deliveries with their attempts, and items read or not, when their time is over'), async () => {
    const { insert, addTask, all, daysAgo, pass } = await setUp()
    const deliver = async (id: string, endedMs: number | null, taskId: string | null = null) => {
      await insert('deliveries', { id, finished_at: endedMs, task_id: taskId, dedup_key: id })
      await insert('delivery_attempts', { id: `attempt-${id}`, delivery_id: id })
    }
    await deliver('old', daysAgo(31))
    await deliver('young', daysAgo(29))
    await deliver('pending', null)
    await deliver('failed', daysAgo(31), 'dead-task')
    await deliver('again', daysAgo(31), 'redriven-task')
    await addTask('redriven-task', null)
    await insert('dead_letters', { id: 'letter', task_id: 'dead-task', status: 'dead' })
    await insert('inbox', { id: 'old-read', created_at: daysAgo(31), read_at: daysAgo(1) })
    await insert('inbox', { id: 'old-unread', created_at: daysAgo(31), read_at: null })
    await insert('inbox', { id: 'young-read', created_at: daysAgo(29), read_at: daysAgo(29) })
    await insert('inbox', { id: 'young-unread', created_at: daysAgo(29), read_at: null })
    await pass()
    assert.deepEqual(await all('deliveries'), ['again', 'failed', 'pending', 'young'])
    assert.deepEqual(await all('delivery_attempts', 'delivery_id'), ['again', 'failed', 'pending', 'young'])
    assert.deepEqual(await all('inbox'), ['young-read', 'young-unread'])
  })

  test(name('removes lone events, usage, kept answers and sessions when their time is over'), async () => {
    const { insert, all, daysAgo, pass } = await setUp()
    for (const days of [31, 29]) await insert('events', { type: `day-${days}`, at: daysAgo(days) })
    const today = Math.floor(daysAgo(0) / DAY_MS)
    for (const days of [402, 401, 400, 0])
      for (const worker of ['a', 'b', 'c'])
        await insert('usage', { tenant_id: `t-${days}`, day: today - days, worker_id: worker })
    for (const [id, at] of [
      ['over', daysAgo(0)],
      ['good', daysAgo(-1)],
    ] as const) {
      await insert('idempotency_keys', { id, scope: id, expires_at: at })
      await insert('sessions', { id, expires_at: at })
    }
    await pass({ pageSize: 2 })
    assert.deepEqual(await all('events', 'type'), ['day-29'])
    assert.deepEqual([...new Set(await all('usage', 'tenant_id'))], ['t-0', 't-400'])
    assert.deepEqual(await all('idempotency_keys'), ['good'])
    assert.deepEqual(await all('sessions'), ['good'])
  })

  test(name('removes entries of the audit log when their time is over, page by page; nobody else does'), async () => {
    const { db, insert, run, all, daysAgo, pass } = await setUp()
    for (let i = 0; i < 5; i++) await insert('audit_log', { id: `old-${i}`, created_at: daysAgo(401) })
    for (const id of ['young-1', 'young-2']) await insert('audit_log', { id, created_at: daysAgo(399) })
    await assert.rejects(run('DELETE FROM audit_log'), /append-only/)
    await pass({ keepDays: { ...KEEP, audit: 0 } })
    assert.equal((await all('audit_log')).length, 7)
    await pass({ pageSize: 2 })
    assert.deepEqual(await all('audit_log'), ['young-1', 'young-2'])
    await assert.rejects(run('DELETE FROM audit_log'), /append-only/)
    await assert.rejects(run("UPDATE audit_log SET action = 'other'"), /append-only/)
    const beyond = db.transaction(async (tx) => {
      const tables = tx.withTables<RetentionTables>()
      await tables
        .insertInto('audit_removal')
        .values({ until_at: daysAgo(400) })
        .execute()
      await tables.deleteFrom('audit_log').execute()
    })
    await assert.rejects(beyond, /append-only/)
    assert.deepEqual(await all('audit_removal', 'until_at'), [])
    assert.deepEqual(await all('audit_log'), ['young-1', 'young-2'])
  })

  test(name('keeps a kind for ever that is kept 0 days'), async () => {
    const { addRun, addTask, all, daysAgo, pass } = await setUp()
    await addRun('old', daysAgo(9000))
    await addTask('old-task', daysAgo(9000))
    await pass({ keepDays: { ...KEEP, runs: 0 } })
    assert.deepEqual(await all('runs'), ['old'])
    assert.deepEqual(await all('tasks'), ['task-old'])
  })
}

test('retention passes a minute after its start and then every hour, and pauses after each transaction', async () => {
  const { db } = await DATABASES[0]!.open()
  const { clock, daysAgo } = makeTurnedClock()
  const { addTask, all } = makeRows(db)
  const settle = async () => {
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve))
  }
  const keepDays = { ...KEEP, usage: 0 }
  const base = { db, clock, log: makeLog('silent'), keepDays, readers: [] }
  const retention = makeRetention({ ...base, pageSize: 2, pauseMs: 1000 })
  for (let i = 0; i < 6; i++) await addTask(`a-${i}`, daysAgo(40))
  const left = async () => (await all('tasks')).length
  retention.start()
  clock.advance(59_999)
  await settle()
  assert.equal(await left(), 6)
  clock.advance(1)
  await settle()
  assert.equal(await left(), 4, 'one transaction, then a pause')
  clock.advance(999)
  await settle()
  assert.equal(await left(), 4)
  clock.advance(1)
  await settle()
  assert.equal(await left(), 2)
  clock.advance(1000)
  await settle()
  assert.equal(await left(), 0)
  clock.advance(1000)
  await settle()
  for (let i = 0; i < 6; i++) await addTask(`b-${i}`, daysAgo(40))
  clock.advance(3_599_999)
  await settle()
  assert.equal(await left(), 6)
  clock.advance(1)
  await settle()
  assert.equal(await left(), 4)
  await retention.stop()
  clock.advance(10 * 3_600_000)
  await settle()
  assert.equal(await left(), 4, 'nothing more is begun after a stop')
})

test('planTransactions() keeps a small tree together and cuts a large one into parts', () => {
  const tree = (...rows: number[]) => rows.map((count, i) => ({ id: `${rows.length}.${i}`, rows: count }))
  assert.deepEqual(planTransactions([tree(3, 3), tree(2, 2, 2), tree(4)], 10), [
    ['2.0', '2.1'],
    ['3.0', '3.1', '3.2', '1.0'],
  ])
  assert.deepEqual(planTransactions([tree(8, 8, 1, 30)], 10), [['4.0'], ['4.1', '4.2'], ['4.3']])
  assert.deepEqual(planTransactions([], 10), [])
})
