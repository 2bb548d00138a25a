/**
 * Does the time of an answer tell whether a key's id exists? Asks a real server, in turns and in one run, with wrong secrets for a key
 * that exists and with keys that do not, and compares the two by rank (Mann-Whitney), which outliers do not move.
 *
 *     node bench/timing/keys.ts [rounds] [--pg]
 *
 * On SQLite, or with `--pg` on a PostgreSQL server that it starts and stops.
 *
 * Exit status 1 when the medians differ by more than 5 % or the ranks tell the two apart.
 */
import { randomBytes } from 'node:crypto'
import { rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type App, startApp } from '../../src/app.ts'
import { readConfig } from '../../src/config.ts'
import { makeIdGenerator } from '../../src/platform/ids.ts'
import { startPostgres } from '../../test/support/embedded-postgres.ts'
import { environmentOf } from '../../test/support/postgres-place.ts'

const KINDS = ['wrong secret', 'unknown id'] as const
type Kind = (typeof KINDS)[number]

/** The greatest share by which the medians may differ. */
const MOST_DIFFERENCE = 0.05
/** How well one answer may tell the kind, 0.5 being a coin; half a hundredth more or less is noise at some ten thousand rounds. */
const MOST_TELLING = 0.02
const WARM_UP = 500

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] as number

/** The chance that one of the first takes longer than one of the second; ties count half. */
const chanceOfLonger = (first: readonly number[], second: readonly number[]): number => {
  const all = [
    ...first.map((value) => ({ value, isFirst: true })),
    ...second.map((value) => ({ value, isFirst: false })),
  ]
  all.sort((a, b) => a.value - b.value)
  let ranks = 0
  for (let i = 0; i < all.length; ) {
    let end = i
    while (end < all.length && all[end]?.value === all[i]?.value) end++
    // The mean of the ranks that equal values share.
    const rank = (i + 1 + end) / 2
    for (; i < end; i++) if (all[i]?.isFirst) ranks += rank
  }
  return (ranks - (first.length * (first.length + 1)) / 2) / (first.length * second.length)
}

/** Settings of a database of its own, and what is to be stopped afterwards. */
const openPlace = async (isPostgres: boolean): Promise<{ settings: Record<string, string>; stop(): Promise<void> }> => {
  if (!isPostgres) return { settings: {}, stop: async () => {} }
  const { url, stop } = await startPostgres()
  return { settings: environmentOf(url), stop }
}

const main = async (rounds: number, isPostgres: boolean): Promise<boolean> => {
  const folder = await mkdtemp(join(tmpdir(), 'aidos-timing-'))
  const place = await openPlace(isPostgres)
  const settings = { PORT: '0', AIDOS_DATA_DIR: folder, LOG_LEVEL: 'silent', SHUTDOWN_GRACE_MS: '0', ...place.settings }
  let app: App | undefined
  try {
    app = await startApp({ config: readConfig(settings) })
    const [, knownId] = (app.key as string).split('_')
    const makeId = makeIdGenerator()
    const secret = (): string => randomBytes(32).toString('base64url')
    const keyOf: Record<Kind, () => string> = {
      'wrong secret': () => `aidos_${knownId}_${secret()}`,
      'unknown id': () => `aidos_${makeId().replaceAll('-', '')}_${secret()}`,
    }
    const times: Record<Kind, number[]> = { 'wrong secret': [], 'unknown id': [] }
    for (let i = 0; i < rounds + WARM_UP; i++) {
      // In random order, so that whatever comes and goes meets both alike.
      for (const kind of Math.random() < 0.5 ? KINDS : KINDS.toReversed()) {
        const authorization = `Bearer ${keyOf[kind]()}`
        const startedNs = process.hrtime.bigint()
        const response = await fetch(`${app.url}/v1/runs`, { headers: { authorization } })
        await response.arrayBuffer()
        const tookNs = Number(process.hrtime.bigint() - startedNs)
        if (response.status !== 401) throw new Error(`answered ${response.status} to a ${kind}`)
        if (i >= WARM_UP) times[kind].push(tookNs)
      }
    }
    const [wrong, unknown] = KINDS.map((kind) => median(times[kind])) as [number, number]
    const ratio = unknown / wrong
    const chance = chanceOfLonger(times['unknown id'], times['wrong secret'])
    const isGood = Math.abs(ratio - 1) <= MOST_DIFFERENCE && Math.abs(chance - 0.5) <= MOST_TELLING
    console.log(
      [
        `${rounds} rounds: median ${(wrong / 1000).toFixed(1)} µs for a wrong secret, ${(unknown / 1000).toFixed(1)} µs for an unknown id`,
        `ratio ${ratio.toFixed(3)} (allowed: within ${MOST_DIFFERENCE} of 1)`,
        `an unknown id takes longer with the chance ${chance.toFixed(3)} (allowed: within ${MOST_TELLING} of 0.5)`,
        isGood ? 'the time does not tell whether an id exists' : 'the time tells whether an id exists',
      ].join('\n'),
    )
    return isGood
  } finally {
    await app?.stop()
    await place.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

const { values, positionals } = parseArgs({
  options: { pg: { type: 'boolean', default: false } },
  allowPositionals: true,
})

process.exitCode = (await main(Number(positionals[0] ?? 10_000), values.pg)) ? 0 : 1
