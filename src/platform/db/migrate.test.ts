import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { DATABASES } from '../../../test/support/databases.ts'
import { makeTempFolder } from '../../../test/support/temp-folder.ts'
import { migrations } from '../../migrations/index.ts'
import { makeEventHub } from '../events/hub.ts'
import { migrate } from './migrate.ts'
import { openSqliteDatabase } from './sqlite.ts'

for (const database of DATABASES) {
  test(`migrate() on ${database.name} does nothing the second time`, async () => {
    const { db } = await database.open()
    assert.deepEqual(await migrate(db, migrations), [])
  })

  test(`migrate() on ${database.name} refuses a database that is newer than the code`, async () => {
    const { db } = await database.open()
    await assert.rejects(migrate(db, []), { code: 'database_newer', message: /0001-foundation/ })
  })

  test(`migrate() on ${database.name} leaves nothing of a migration that fails`, async () => {
    const { db } = await database.open()
    const broken = { name: '9999-broken', statements: () => ['CREATE TABLE half (id TEXT)', 'CREATE NONSENSE'] }
    await assert.rejects(migrate(db, [...migrations, broken]))
    const mended = { name: '9999-broken', statements: () => ['CREATE TABLE half (id TEXT)'] }
    assert.deepEqual(await migrate(db, [...migrations, mended]), ['9999-broken'])
  })
}

test('openSqliteDatabase() refuses a file that another process or owner holds', async () => {
  const file = `${await makeTempFolder()}/aidos.db`
  const hub = makeEventHub()
  const first = openSqliteDatabase({ file, hub })
  assert.throws(() => openSqliteDatabase({ file, hub }), { code: 'database_in_use', message: /AIDOS_DATA_DIR/ })
  await first.stop()
  await openSqliteDatabase({ file, hub }).stop()
})

test('openSqliteDatabase() names the file that it cannot open, and does not take it for one in use', async () => {
  const folder = await makeTempFolder()
  const file = join(folder, 'aidos.db')
  const hub = makeEventHub()
  writeFileSync(file, 'this is a text and no database')
  assert.throws(() => openSqliteDatabase({ file, hub }), { code: 'database_unusable', message: /aidos\.db cannot/ })
  const other = join(folder, 'other.db')
  mkdirSync(`${other}.lock`)
  assert.throws(() => openSqliteDatabase({ file: other, hub }), {
    code: 'database_unusable',
    message: /db\.lock cannot/,
  })
})
