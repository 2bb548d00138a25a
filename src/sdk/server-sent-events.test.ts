import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readServerSentEvents, type ServerSentEvent } from './server-sent-events.ts'

const read = async (chunks: readonly string[]): Promise<ServerSentEvent[]> => {
  const encoder = new TextEncoder()
  const body = ReadableStream.from(chunks.map((chunk) => encoder.encode(chunk)))
  return Array.fromAsync(readServerSentEvents(body))
}

test('readServerSentEvents() gives the same events however the bytes are cut', async () => {
  const text =
    ': hello\n\nid: 1\nevent: a\ndata: {"x":1}\n\nid: 2\r\ndata: one\r\ndata: two\r\n\r\n: still here\n\ndata: ä\n\n'
  const expected = [
    { id: '1', data: '{"x":1}' },
    { id: '2', data: 'one\ntwo' },
    { id: '2', data: 'ä' },
  ]
  assert.deepEqual(await read([text]), expected)
  for (let size = 1; size < 12; size++) {
    const parts = text.match(new RegExp(`[\\s\\S]{1,${size}}`, 'g')) ?? []
    assert.deepEqual(await read(parts), expected, `in pieces of ${size}`)
  }
})

test('readServerSentEvents() drops an event that was cut off before its end', async () => {
  assert.deepEqual(await read(['data: whole\n\ndata: ha']), [{ id: undefined, data: 'whole' }])
})
