import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import pg from 'pg'
import { makeTestDatabase, makeTestDatabaseUrl } from './postgres.ts'

const connect = async (url: string): Promise<pg.Client> => {
  const client = new pg.Client({ connectionString: url })
  // A database dropped with force ends the connection from the other side.
  client.on('error', () => {})
  await client.connect()
  return client
}

test('makeTestDatabaseUrl() gives each caller an empty database of its own', async (t) => {
  const [first, second] = await Promise.all([makeTestDatabaseUrl(t), makeTestDatabaseUrl(t)])
  const one = await connect(first)
  const two = await connect(second)
  await one.query('create table items (name text)')
  await two.query('create table items (name text)')
  await one.query(`insert into items values ('a'), ('B'), ('ä')`)
  const names = await one.query<{ name: string }>('select name from items order by name')
  assert.deepEqual(
    names.rows.map((row) => row.name),
    ['B', 'a', 'ä'],
  )
  assert.equal((await two.query('select * from items')).rowCount, 0)
  await Promise.all([one.end(), two.end()])
})

let ofFile = ''
before(async () => {
  ofFile = await makeTestDatabaseUrl()
})

test('makeTestDatabaseUrl() drops the database when the test ends, and that of a file not before', async (t) => {
  let url = ''
  await t.test('uses one', async (inner) => {
    url = await makeTestDatabaseUrl(inner)
    await (await connect(url)).end()
  })
  await assert.rejects(connect(url), { code: '3D000' })
  await (await connect(ofFile)).end()
})

test('drop() removes the database even under an open connection', async () => {
  const database = await makeTestDatabase()
  const client = await connect(database.url)
  await database.drop()
  await assert.rejects(connect(database.url), { code: '3D000' })
  await client.end()
})

test('makeTestDatabase() says how to get a server when there is none', async (t) => {
  const url = process.env.AIDOS_TEST_POSTGRES_URL
  delete process.env.AIDOS_TEST_POSTGRES_URL
  t.after(() => {
    process.env.AIDOS_TEST_POSTGRES_URL = url
  })
  await assert.rejects(makeTestDatabase(), /npm test/)
})
