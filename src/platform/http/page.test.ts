import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { type CreatedCursor, type PageOrder, readPage, readPageBy } from './page.ts'

const cursorOf = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')

const rows = [3, 2, 1].map((createdAtMs) => ({ createdAtMs, id: `01a2-${createdAtMs}` }))
const read = async ({ after, limit }: { after: CreatedCursor | undefined; limit: number }) =>
  rows.filter(({ createdAtMs }) => !after || createdAtMs < after.createdAtMs).slice(0, limit)
const idOf = ({ id }: { id: string }): string => id

test('readPage() goes on where the page before ended, and says when it was the last', async () => {
  const first = await readPage({ limit: 2 }, read, idOf)
  assert.deepEqual(first.items, ['01a2-3', '01a2-2'])
  const second = await readPage({ limit: 2, cursor: first.nextCursor ?? '' }, read, idOf)
  assert.deepEqual(second, { items: ['01a2-1'], nextCursor: null })
})

test('readPage() gives what fills a page as the last one when nothing follows', async () => {
  assert.equal((await readPage({ limit: 3 }, read, idOf)).nextCursor, null)
})

test('readPage() hands the rest of the query on', async () => {
  const given: unknown[] = []
  const none = async (filter: object) => {
    given.push(filter)
    return []
  }
  await readPage({ limit: 7, cursor: undefined, status: 'open' }, none, idOf)
  assert.deepEqual(given, [{ status: 'open', after: undefined, limit: 8 }])
})

for (const value of [{ a: 1 }, null, 7, [], [1.5, 'x'], [1e300, 'x'], [1, 'a\u0000b'], [1, ''], [1, 'é'], ['1', 'x']]) {
  test(`readPage() refuses the cursor ${JSON.stringify(value)}, which no page gave`, async () => {
    await assert.rejects(readPage({ limit: 1, cursor: cursorOf(value) }, read, idOf), { code: 'cursor_invalid' })
  })
}

const byName: PageOrder<string, string> = { placeOf: (name) => name, place: z.string().max(5) }
const names = async ({ after = '', limit }: { after: string | undefined; limit: number }) =>
  ['ann', 'bob', 'é'].filter((name) => name > after).slice(0, limit)

test('readPageBy() pages a list in an order of its own', async () => {
  const first = await readPageBy(byName, { limit: 2 }, names, (name) => ({ name }))
  assert.deepEqual(first.items, [{ name: 'ann' }, { name: 'bob' }])
  const second = await readPageBy(byName, { limit: 2, cursor: first.nextCursor ?? '' }, names, (name) => name)
  assert.deepEqual(second, { items: ['é'], nextCursor: null })
})

test('readPageBy() refuses the place of another order', async () => {
  for (const cursor of [cursorOf('too long'), cursorOf(['ann']), 'not base64 of JSON', ''])
    await assert.rejects(readPageBy(byName, { limit: 2, cursor }, names, String), { code: 'cursor_invalid' })
})
