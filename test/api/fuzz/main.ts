/**
 * The long fuzz: `node test/api/fuzz/main.ts --seconds 120 --seed 1`, with `--pg` on PostgreSQL (AIDOS_TEST_POSTGRES_URL) and with
 * `--log error` to see the faults of the server, `--skip-left` without those that are known (`left.ts`). Exits 1 when there are findings.
 */
import { parseArgs } from 'node:util'
import { startTestApp } from '../../support/app.ts'
import { makeTestDatabaseUrl } from '../../support/postgres.ts'
import { environmentOf } from '../../support/postgres-place.ts'
import { fuzz } from './fuzz.ts'
import { isLeft } from './left.ts'
import { NO_RATES } from './world.ts'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string', default: '1' },
    pg: { type: 'boolean', default: false },
    'skip-left': { type: 'boolean', default: false },
    log: { type: 'string', default: 'silent' },
  },
})

const cleanups: (() => void | Promise<void>)[] = []
const cleanup = { after: (fn: () => void | Promise<void>) => void cleanups.push(fn) }

try {
  const env = {
    LOG_LEVEL: values.log,
    BODY_LIMIT_BYTES: '131072',
    ...NO_RATES,
    ...(values.pg ? environmentOf(await makeTestDatabaseUrl(cleanup)) : {}),
  }
  const app = await startTestApp({ env }, cleanup)
  const seed = Number(values.seed)
  const leavesOut = values['skip-left'] ? isLeft : () => false
  const endAtMs = Date.now() + Number(values.seconds) * 1000
  const report = await fuzz({ app, seed, perRoute: 20, rounds: Number.POSITIVE_INFINITY, endAtMs, leavesOut })
  const kinds = new Map<string, { count: number; example: unknown }>()
  for (const finding of report.findings) {
    const kind = `${finding.rule} — ${finding.route}`
    kinds.set(kind, { count: (kinds.get(kind)?.count ?? 0) + 1, example: kinds.get(kind)?.example ?? finding })
  }
  console.log(JSON.stringify({ ...report, findings: Object.fromEntries(kinds) }, null, 2))
  process.exitCode = report.findings.length > 0 ? 1 : 0
} finally {
  for (const clean of cleanups.reverse()) await clean()
}
