import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { readBody } from './body.ts'

test('of a body that is too large as much is given as is allowed, also where all of it comes at once', async () => {
  for (const chunks of [['0123456789'], ['012', '3456789'], ['0123', '456789']]) {
    let got = ''
    const read = async (): Promise<void> => {
      for await (const chunk of readBody(Readable.from(chunks.map((chunk) => Buffer.from(chunk))), '', 4)) got += chunk
    }
    await assert.rejects(read(), { code: 'outbound_too_large' })
    assert.equal(got, '0123', String(chunks))
  }
})
