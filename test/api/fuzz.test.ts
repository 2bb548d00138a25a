/** A short, seeded fuzz of every route. The long one: `node test/api/fuzz/main.ts --seconds 120 --seed 1`, and with `--pg`. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startTestApp } from '../support/app.ts'
import { fuzz } from './fuzz/fuzz.ts'
import { isLeft } from './fuzz/left.ts'
import { NO_RATES } from './fuzz/world.ts'

test('the API answers made-up requests without a fault, an open route or a word of another tenant', async (t) => {
  const app = await startTestApp({ env: { BODY_LIMIT_BYTES: '131072', ...NO_RATES } }, t)
  const endAtMs = Date.now() + 40_000
  const report = await fuzz({ app, seed: 20_261_122, perRoute: 6, rounds: 3, endAtMs, leavesOut: isLeft })
  assert.deepEqual(report.findings, [])
  assert.ok(report.requests > 3000, `only ${report.requests} requests were sent`)
  for (const status of [200, 201, 400, 401, 403, 404, 409])
    assert.ok(report.byStatus[status], `nothing answered ${status}`)
})
