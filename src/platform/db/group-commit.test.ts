import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DATABASES } from '../../../test/support/databases.ts'
import type { Event, NewEvent } from '../events/event.ts'
import { makeEventLog } from '../events/log.ts'
import { writeEvent } from '../events/write.ts'
import { isUniqueViolation } from './errors.ts'
import { insertRows, updateRows, type Write } from './statements.ts'

const insertCursor = insertRows('cursors', { name: 'text', position: 'bigint' })
const addToCursor = updateRows(
  'add_to_cursor',
  'cursors',
  { name: 'text' },
  { position: 'bigint' },
  { add: ['position'] },
)
const cursor = (name: string, position: number): Write => ({ statement: insertCursor, row: [name, position] })
const plus = (name: string, by: number): Write => ({ statement: addToCursor, row: [name, by] })
const event = (type: string): NewEvent => ({
  tenantId: 't',
  projectId: null,
  runId: 'r',
  taskId: null,
  type,
  data: { n: 1 },
  atMs: 5,
})

type Cursors = { cursors: { name: string; position: number } }

for (const database of DATABASES) {
  const name = (title: string): string => `group commit on ${database.name}: ${title}`
  const open = async () => {
    const { db, hub } = await database.open()
    const read = async () => {
      const rows = await db.primary.withTables<Cursors>().selectFrom('cursors').selectAll().orderBy('name').execute()
      return Object.fromEntries(rows.map((row) => [row.name, row.position]))
    }
    return { db, hub, read }
  }

  test(name('units of one moment share a transaction'), async () => {
    const { db, read } = await open()
    const before = db.commitStats.transactions
    await Promise.all(Array.from({ length: 50 }, (_, i) => db.commit({ writes: [cursor(`c${i}`, i)] })))
    assert.equal(db.commitStats.transactions - before, 1)
    assert.equal(Object.keys(await read()).length, 50)
  })

  test(name('a unit that breaks a rule fails alone'), async () => {
    const { db, read } = await open()
    await db.commit({ writes: [cursor('taken', 1)] })
    const results = await Promise.allSettled([
      db.commit({ writes: [cursor('a', 1)] }),
      db.commit({ writes: [cursor('half', 1), cursor('taken', 2)] }),
      db.commit({ writes: [cursor('b', 1)] }),
    ])
    assert.deepEqual(
      results.map((result) => result.status),
      ['fulfilled', 'rejected', 'fulfilled'],
    )
    assert.ok(isUniqueViolation((results[1] as PromiseRejectedResult).reason))
    assert.deepEqual(await read(), { a: 1, b: 1, taken: 1 })
  })

  test(name('a unit whose guard fails writes nothing and takes nobody with it'), async () => {
    const { db, read } = await open()
    const guard = { table: 'runs' as const, id: 'nobody', fence: 1 }
    const results = await Promise.allSettled([
      db.commit({ guards: [guard], writes: [cursor('stale', 1)], events: [event('never')] }),
      db.commit({ writes: [cursor('fine', 1)] }),
    ])
    assert.equal((results[0] as PromiseRejectedResult).reason.code, 'stale_write')
    assert.deepEqual(await read(), { fine: 1 })
    assert.deepEqual(await makeEventLog(db).read({ tenantId: 't', runId: 'r', afterId: 0, limit: 10 }), [])
  })

  test(name('two units that change the same row both count'), async () => {
    const { db, read } = await open()
    await db.commit({ writes: [cursor('sum', 0)] })
    await Promise.all(Array.from({ length: 10 }, () => db.commit({ writes: [plus('sum', 2)] })))
    assert.deepEqual(await read(), { sum: 20 })
  })

  test(name('events are published after the commit, in order, with their ids'), async () => {
    const { db, hub } = await open()
    const seen: Event[] = []
    hub.subscribe({ runId: 'r' }, (each) => seen.push(each))
    await Promise.all([
      db.commit({ writes: [], events: [event('one'), event('two')] }),
      db.commit({ writes: [], events: [event('three')] }),
    ])
    const stored = await makeEventLog(db).read({ tenantId: 't', runId: 'r', afterId: 0, limit: 10 })
    assert.deepEqual(
      stored.map((each) => each.type),
      ['one', 'two', 'three'],
    )
    assert.deepEqual(seen, stored)
  })

  test(name('waits for a transaction under way and is not lost in it'), async () => {
    const { db, read } = await open()
    let commit: Promise<void> | undefined
    const transaction = db.transaction(async (tx) => {
      await tx.withTables<Cursors>().insertInto('cursors').values({ name: 'rolled back', position: 1 }).execute()
      commit = db.commit({ writes: [cursor('kept', 1)] })
      await new Promise((resolve) => setTimeout(resolve, 20))
      throw new Error('back')
    })
    await assert.rejects(transaction, /back/)
    await commit
    assert.deepEqual(await read(), { kept: 1 })
  })

  test(
    name('events of an everyday transaction are published when it has committed, and not when it fails'),
    async () => {
      const { db, hub } = await open()
      const seen: Event[] = []
      hub.subscribe({ tenantId: 't' }, (each) => seen.push(each))
      await assert.rejects(
        db.transaction(async (tx) => {
          await writeEvent(tx, event('rolled back'))
          throw new Error('back')
        }),
      )
      await db.transaction(async (tx) => {
        await writeEvent(tx, event('kept'))
        assert.equal(seen.length, 0)
      })
      assert.deepEqual(
        seen.map(({ type }) => type),
        ['kept'],
      )
      const afterId = (seen[0]?.id ?? 0) - 1
      assert.deepEqual(seen, await makeEventLog(db).read({ tenantId: 't', afterId, limit: 10 }))
    },
  )
}
