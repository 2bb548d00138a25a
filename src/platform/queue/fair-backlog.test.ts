import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeFakeClock } from '../clock.ts'
import { type FairBacklogOptions, makeFairBacklog, type WaitingJob } from './fair-backlog.ts'
import type { Job, Priority } from './queue.ts'
import type { Inside } from './window.ts'

const clock = makeFakeClock()

interface Rows {
  readonly tenantId: string
  readonly count: number
  readonly priority?: Priority
  readonly key?: string
  readonly ageMs?: number
}

/** A backlog in memory, and how often and how much was read of it. */
const setUp = (rows: readonly Rows[], more: Partial<FairBacklogOptions> = {}) => {
  let jobs: WaitingJob[] = rows.flatMap(({ tenantId, count, priority = 3, key, ageMs = 0 }, r) =>
    Array.from({ length: count }, (_, i) => ({
      ...{ id: `${tenantId}-${r}-${String(i).padStart(6, '0')}`, partition: 'tasks', tenantId, priority },
      ...(key === undefined ? {} : { key }),
      sinceMs: clock.now() - ageMs,
    })),
  )
  const cost = { calls: 0, rows: 0 }
  const names = (found: readonly string[], after: string | undefined, limit: number): string[] => {
    cost.calls++
    return [...new Set(found)]
      .filter((name) => after === undefined || name > after)
      .sort()
      .slice(0, limit)
  }
  const read = makeFairBacklog({
    clock,
    weightOf: () => 1,
    mostOf: () => Number.POSITIVE_INFINITY,
    isPaused: () => false,
    ...more,
    source: {
      tenants: async (priority, after, limit) =>
        names(
          jobs.filter((job) => job.priority === priority).map((job) => job.tenantId),
          after,
          limit,
        ),
      keys: async (priority, tenantId, after, limit) => {
        const own = jobs.filter((job) => job.priority === priority && job.tenantId === tenantId)
        return names(
          own.map((job) => job.key ?? ''),
          after,
          limit,
        )
      },
      async head(priority, tenantId, key, limit) {
        cost.calls++
        const found = jobs
          .filter((job) => job.priority === priority && job.tenantId === tenantId && (job.key ?? '') === key)
          .slice(0, limit)
        cost.rows += found.length
        return found
      },
    },
  })
  const inside = new Map<string, Inside>()
  return {
    read: (limit: number) => read(limit, inside),
    cost,
    inside,
    /** They wait no more. */
    done(gone: readonly Job[]) {
      const ids = new Set(gone.map((job) => job.id))
      jobs = jobs.filter((job) => !ids.has(job.id))
    },
  }
}

const byTenant = (jobs: readonly Job[]): Record<string, number> => {
  const counts: Record<string, number> = {}
  for (const { tenantId } of jobs) counts[tenantId] = (counts[tenantId] ?? 0) + 1
  return counts
}

test('the backlog is read fairly between tenants, each in the order in which its work came', async () => {
  const { read } = setUp([
    { tenantId: 'a', count: 1000 },
    { tenantId: 'b', count: 1000 },
    { tenantId: 'c', count: 3 },
  ])
  const { jobs, isAll } = await read(30)
  assert.deepEqual(byTenant(jobs), { a: 10, b: 10, c: 3 })
  assert.deepEqual(
    jobs.slice(0, 6).map((job) => job.id),
    ['a-0-000000', 'b-1-000000', 'c-2-000000', 'a-0-000001', 'b-1-000001', 'c-2-000001'],
  )
  assert.equal(isAll, false)
})

test('a tenant of weight three gets three times as much, also of the first places', async () => {
  const { read } = setUp(
    [
      { tenantId: 'a', count: 1000 },
      { tenantId: 'b', count: 1000 },
    ],
    { weightOf: (tenantId) => (tenantId === 'a' ? 3 : 1) },
  )
  const { jobs } = await read(40)
  assert.deepEqual(byTenant(jobs), { a: 30, b: 10 })
  assert.deepEqual(byTenant(jobs.slice(0, 4)), { a: 3, b: 1 })
})

test('the most urgent goes first, and what has room after it is filled with the next', async () => {
  const { read } = setUp([
    { tenantId: 'a', count: 5, priority: 4 },
    { tenantId: 'b', count: 5, priority: 1 },
    { tenantId: 'c', count: 5, priority: 2 },
  ])
  const { jobs } = await read(12)
  assert.deepEqual(
    jobs.map((job) => job.priority),
    [1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 4, 4],
  )
})

test('work that has waited long is taken along as if it were as urgent as the most urgent; fresh work is not', async () => {
  const { read } = setUp([
    { tenantId: 'flood', count: 1000, priority: 1 },
    { tenantId: 'old', count: 50, priority: 4, ageMs: 11_000 },
    { tenantId: 'fresh', count: 50, priority: 4, ageMs: 9000 },
  ])
  const { jobs } = await read(80)
  assert.equal(jobs.length, 80)
  // An eighth of the reading, of which the other tenant of that priority has its part.
  assert.deepEqual(byTenant(jobs), { old: 5, flood: 75 })
  assert.ok(jobs.every((job) => job.priority === 1))
})

test('aged work of a paused tenant is in nobody’s way', async () => {
  const { read } = setUp(
    [
      { tenantId: 'flood', count: 1000, priority: 1 },
      { tenantId: 'paused', count: 500, priority: 4, ageMs: 99_000 },
      { tenantId: 'waiting', count: 5, priority: 4, ageMs: 11_000 },
    ],
    { isPaused: (tenantId) => tenantId === 'paused' },
  )
  assert.equal(byTenant((await read(80)).jobs).waiting, 5)
})

test('urgent work of a paused tenant makes nothing else urgent', async () => {
  const { read } = setUp(
    [
      { tenantId: 'paused', count: 10, priority: 1 },
      { tenantId: 'a', count: 10, priority: 4, ageMs: 11_000 },
    ],
    { isPaused: (tenantId) => tenantId === 'paused' },
  )
  const { jobs, isAll } = await read(20)
  assert.deepEqual([jobs.length, jobs[0]?.priority, isAll], [10, 4, true])
})

test('what is inside is not read again', async () => {
  const { read, inside } = setUp([{ tenantId: 'a', count: 20 }])
  const first = await read(8)
  for (const { id, tenantId } of first.jobs) inside.set(id, { tenantId, enteredMs: 0 })
  const second = await read(50)
  assert.equal(second.jobs.length, 12)
  assert.equal(new Set([...first.jobs, ...second.jobs].map((job) => job.id)).size, 20)
})

test('isAll is never true when some is left over, whatever is inside', async () => {
  const amounts = [0, 1, 2, 3, 5, 8]
  for (const limit of [1, 2, 3, 5, 8]) {
    for (const [plain, keyed] of amounts.flatMap((a) => amounts.map((b) => [a, b] as const))) {
      for (const atWork of [0, 1, 5, 10]) {
        for (const stillQueued of [0, 2]) {
          const { read, inside } = setUp([
            { tenantId: 'a', count: plain },
            { tenantId: 'a', count: keyed, key: 'k' },
            { tenantId: 'a', count: 1, key: 'l' },
          ])
          const entry = { tenantId: 'a', enteredMs: 0 }
          for (let i = 0; i < atWork; i++) inside.set(`at work ${i}`, entry)
          for (let i = 0; i < Math.min(stillQueued, plain); i++) inside.set(`a-0-00000${i}`, entry)
          const outside = plain - Math.min(stillQueued, plain) + keyed + 1
          const { jobs, isAll } = await read(limit)
          assert.ok(!isAll || jobs.length === outside, JSON.stringify({ limit, plain, keyed, atWork, stillQueued }))
        }
      }
    }
  }
})

test('isAll is true exactly when there is no more', async () => {
  for (const [count, limit, isAll] of [
    [0, 10, true],
    [9, 10, true],
    [11, 10, false],
  ] as const) {
    const { read } = setUp([{ tenantId: 'a', count }])
    assert.equal((await read(limit)).isAll, isAll, `${count} of ${limit}`)
  }
  const { read } = setUp([
    { tenantId: 'a', count: 10, priority: 1 },
    { tenantId: 'a', count: 1, priority: 4 },
  ])
  assert.equal((await read(10)).isAll, false, 'less urgent work that was not looked at')
})

for (const tenants of [100, 101, 250]) {
  test(`${tenants} tenants have their turn one after the other`, async () => {
    const rows = Array.from({ length: tenants }, (_, i) => ({ tenantId: `t${String(i).padStart(3, '0')}`, count: 2 }))
    const { read, done } = setUp(rows)
    const seen: Job[] = []
    let readings = 0
    for (let isAll = false; !isAll && readings < 20; readings++) {
      const head = await read(100)
      isAll = head.isAll
      seen.push(...head.jobs)
      done(head.jobs)
      // Nobody comes twice before everybody has come once.
      const counts = Object.values(byTenant(seen))
      if (seen.length <= tenants) assert.equal(Math.max(...counts), 1)
    }
    assert.equal(seen.length, tenants * 2)
    assert.ok(readings <= Math.ceil((tenants * 2) / 100) + 2, `${readings} readings`)
  })
}

test('with room for few, tenants take turns from reading to reading', async () => {
  const rows = Array.from({ length: 30 }, (_, i) => ({ tenantId: `t${String(i).padStart(2, '0')}`, count: 100 }))
  const { read, done } = setUp(rows)
  const seen: Job[] = []
  for (let i = 0; i < 12; i++) {
    const { jobs } = await read(5)
    seen.push(...jobs)
    done(jobs)
  }
  assert.deepEqual([...new Set(Object.values(byTenant(seen)))], [2])
})

test('the keys of a tenant take turns, so that a long queue of one holds up no other', async () => {
  const { read } = setUp([
    { tenantId: 'a', count: 5000, key: 'crm' },
    { tenantId: 'a', count: 3, key: 'erp' },
    { tenantId: 'a', count: 3 },
  ])
  const { jobs } = await read(30)
  const keys = jobs.map((job) => job.key ?? '')
  assert.equal(keys.filter((key) => key === '').length, 3)
  assert.equal(keys.filter((key) => key === 'erp').length, 3)
  assert.equal(keys.filter((key) => key === 'crm').length, 10)
})

test('more keys than one reading looks at have their turn one after the other', async () => {
  const rows = Array.from({ length: 50 }, (_, i) => ({ tenantId: 'a', key: `k${i}`, count: 1 }))
  const { read, done } = setUp(rows)
  const seen = new Set<string>()
  for (let i = 0; i < 4; i++) {
    const { jobs } = await read(100)
    for (const job of jobs) seen.add(job.key ?? '')
    done(jobs)
  }
  assert.equal(seen.size, 50)
  assert.equal((await read(100)).isAll, true)
})

test('a tenant at its limit with a huge backlog, and a paused one, cost little', async () => {
  const { read, cost, inside } = setUp(
    [
      { tenantId: 'limited', count: 20_000 },
      { tenantId: 'paused', count: 20_000 },
      { tenantId: 'b', count: 5 },
    ],
    { mostOf: (id) => (id === 'limited' ? 2 : 1e9), isPaused: (id) => id === 'paused' },
  )
  for (const n of [0, 1]) inside.set(`limited-0-00000${n}`, { tenantId: 'limited', enteredMs: 0 })
  const { jobs, isAll } = await read(500)
  assert.deepEqual(byTenant(jobs), { limited: 1, b: 5 })
  assert.equal(isAll, true)
  assert.ok(cost.rows <= 10, `${cost.rows} rows`)
  assert.ok(cost.calls <= 15, `${cost.calls} queries`)
})
