import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { sql } from 'kysely'
import { DATABASES, type TestDatabase } from '../../test/support/databases.ts'
import type { Handle } from '../platform/db/database.ts'
import { makeSharedTransaction } from './shared-transaction.ts'

for (const kind of DATABASES) {
  describe(`changes that share a transaction on ${kind.name}`, () => {
    let database: TestDatabase
    before(async () => {
      database = await kind.open()
      await database.db.transaction((tx) => sql`CREATE TABLE notes (text TEXT PRIMARY KEY)`.execute(tx))
    })

    const setUp = async () => {
      let transactions = 0
      await database.db.transaction((tx) => sql`DELETE FROM notes`.execute(tx))
      const share = makeSharedTransaction({
        transaction: (work) => {
          transactions++
          return database.db.transaction(work)
        },
      })
      const note = (text: string) => (tx: Handle) =>
        sql`INSERT INTO notes VALUES (${text})`.execute(tx).then(() => text)
      const texts = async () => {
        const { rows } = await sql<{ text: string }>`SELECT text FROM notes ORDER BY text`.execute(database.db.primary)
        return rows.map(({ text }) => text)
      }
      return { share, note, texts, transactions: () => transactions }
    }

    test('those that come while one is under way go together', async () => {
      const { share, note, texts, transactions } = await setUp()
      const results = await Promise.all(['a', 'b', 'c', 'd'].map((text) => share(note(text))))
      assert.deepEqual([results, await texts(), transactions()], [['a', 'b', 'c', 'd'], ['a', 'b', 'c', 'd'], 2])
    })

    test('one that throws takes none of the others with it', async () => {
      const { share, note, texts } = await setUp()
      const results = await Promise.allSettled(['a', 'b', 'c', 'c', 'd'].map((text) => share(note(text))))
      assert.deepEqual(
        results.map(({ status }) => status),
        ['fulfilled', 'fulfilled', 'fulfilled', 'rejected', 'fulfilled'],
      )
      assert.deepEqual(await texts(), ['a', 'b', 'c', 'd'])
      assert.equal(await share(note('e')), 'e')
    })
  })
}
