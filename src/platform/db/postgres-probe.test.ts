import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeTestDatabaseUrl } from '../../../test/support/postgres.ts'
import { placeOf } from '../../../test/support/postgres-place.ts'
import { makeStallingProxy } from '../../../test/support/stalling-proxy.ts'
import { isOutage } from './errors.ts'
import { probePostgres } from './postgres-probe.ts'

test('probePostgres() does not wait for a server that takes the connection and then stands still', async (t) => {
  const place = placeOf(await makeTestDatabaseUrl(t))
  const proxy = await makeStallingProxy(t, place.port)
  const proxied = { ...place, host: '127.0.0.1', port: proxy.port }
  await probePostgres(proxied)
  for (const bytes of [0, 10, 500]) {
    proxy.stallAfter(bytes)
    await assert.rejects(probePostgres(proxied, undefined, 200), (error: Error) => {
      assert.match(error.message, /connected, but no answer of PostgreSQL within 200 ms/)
      return isOutage(error)
    })
  }
})
