import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import test, { before, describe } from 'node:test'
import type { KyselyPlugin } from 'kysely'
import { DATABASES } from '../../../test/support/databases.ts'
import type { Database } from '../db/database.ts'
import type { NewEvent } from './event.ts'
import { type EventLog, makeEventLog } from './log.ts'
import { writeEvent } from './write.ts'

const tenantId = randomUUID()
const eventOf = (type: string, atMs = 1): NewEvent => ({
  tenantId,
  projectId: null,
  runId: null,
  taskId: null,
  type,
  data: {},
  atMs,
})

/** The database, and how often it was asked. */
const counting = (db: Database): { counted: Database; queries: () => number } => {
  let count = 0
  const plugin: KyselyPlugin = {
    transformQuery({ node }) {
      count++
      return node
    },
    transformResult: async ({ result }) => result,
  }
  return { counted: { ...db, primary: db.primary.withPlugin(plugin) }, queries: () => count }
}

for (const { name, open } of DATABASES) {
  describe(`event log on ${name}`, () => {
    let db: Database
    let log: EventLog
    before(async () => {
      db = (await open()).db
      log = makeEventLog(db)
    })
    const add = (type: string, atMs?: number) => db.transaction((tx) => writeEvent(tx, eventOf(type, atMs)))
    const typesAfter = async (id: number): Promise<string[]> => (await log.readAll(id, 10)).map(({ type }) => type)

    test('readAll() pages through all events in order, over holes of rolled back ones too', async () => {
      const startId = (await log.head()) as number
      await add('test.one')
      await assert.rejects(
        db.transaction(async (tx) => {
          await writeEvent(tx, eventOf('test.lost'))
          throw new Error('no')
        }),
      )
      await add('test.two')
      await add('test.three')
      assert.deepEqual(await typesAfter(startId), ['test.one', 'test.two', 'test.three'])
      const [first, second] = await log.readAll(startId, 2)
      assert.deepEqual(await typesAfter(second!.id), ['test.three'])
      assert.deepEqual(
        (await log.readAll(startId, 1)).map(({ id }) => id),
        [first!.id],
      )
      assert.equal(await log.head(), (await log.readAll(second!.id, 1))[0]!.id)
    })

    // SQLite has one writer: no transaction can hold a lower id there.
    const isConcurrent = name === 'PostgreSQL'
    test('readAll() waits for a transaction that holds a lower id, and never passes it by', {
      skip: !isConcurrent && 'has one writer',
    }, async () => {
      const startId = (await log.head()) as number
      const finish = Promise.withResolvers<void>()
      const written = Promise.withResolvers<void>()
      const slow = db.transaction(async (tx) => {
        await writeEvent(tx, eventOf('test.slow'))
        written.resolve()
        await finish.promise
      })
      await written.promise
      await add('test.quick')
      // As long as it takes too long, nothing after it is given.
      assert.deepEqual(await typesAfter(startId), [])
      const { counted, queries } = counting(db)
      assert.equal(await makeEventLog(counted).head(), undefined)
      assert.ok(queries() <= 12, `the server was asked ${queries()} times`)
      assert.equal(await log.head(), undefined)
      const waiting = typesAfter(startId)
      finish.resolve()
      await slow
      assert.deepEqual(await waiting, ['test.slow', 'test.quick'])
    })

    test('read() holds back what is young while a transaction may hold a lower id', {
      skip: !isConcurrent && 'has one writer',
    }, async () => {
      const afterId = (await log.head()) as number
      const typesOf = async (reader: EventLog): Promise<string[]> =>
        (await reader.read({ tenantId, afterId, limit: 10 })).map(({ type }) => type)
      const read = (nowMs: number): Promise<string[]> => typesOf(makeEventLog(db, () => nowMs))
      await add('test.early')
      const seen = makeEventLog(db, () => 1)
      assert.deepEqual(await typesOf(seen), ['test.early'])
      const finish = Promise.withResolvers<void>()
      const written = Promise.withResolvers<void>()
      const slow = db.transaction(async (tx) => {
        await writeEvent(tx, eventOf('test.slow'))
        written.resolve()
        await finish.promise
      })
      await written.promise
      // What was settled once is not waited for again.
      assert.deepEqual(await typesOf(seen), ['test.early'])
      await add('test.quick', 2)
      // By another clock, or held up by an outage: its time says nothing of when it was committed.
      await add('test.skewed', 0)
      assert.deepEqual(await read(300_002), ['test.early'])
      assert.deepEqual(await read(300_003), ['test.early', 'test.quick', 'test.skewed'])
      const events = await log.readNow({ tenantId, afterId, limit: 10 })
      assert.deepEqual(
        events.map(({ type }) => type),
        ['test.early', 'test.quick', 'test.skewed'],
      )
      const waiting = read(300_002)
      finish.resolve()
      await slow
      assert.deepEqual(await waiting, ['test.early', 'test.slow', 'test.quick', 'test.skewed'])
    })
  })
}
