import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeFakeClock } from '../clock.ts'
import { type AdmissionOptions, makeAdmission } from './admission.ts'
import { makeFairBacklog } from './fair-backlog.ts'
import { makeLocalQueue } from './local-queue.ts'
import { makeLocalWindow } from './local-window.ts'
import type { Job, Queue } from './queue.ts'
import { noRules } from './rules.ts'
import type { Limits, Window } from './window.ts'

const jobOf = (n: number, tenantId = 'a'): Job => ({
  ...{ id: `${tenantId}-${String(n).padStart(6, '0')}`, partition: 'tasks', tenantId, priority: 3 },
})

interface Row {
  readonly job: Job
  status: 'queued' | 'running'
}

/** Jobs of the moment have gone their way: nothing here waits for anything but promises. */
const settle = async (): Promise<void> => {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve))
}

const setUp = (
  more: {
    windowSize?: number
    limits?: (tenantId: string) => Limits
    options?: Partial<AdmissionOptions>
    areReadsSlow?: boolean
  } = {},
) => {
  const { windowSize = 20, limits = (): Limits => ({}) } = more
  const clock = makeFakeClock()
  const inner = makeLocalQueue({ clock, onError: () => {} })
  const real = makeLocalWindow({ clock, windowSize })
  /** The database: what is here is not done. */
  const rows = new Map<string, Row>()
  const errors: unknown[] = []
  const breaks = { add: false, enter: false, leave: false }
  const broken = (what: keyof typeof breaks): void => {
    if (breaks[what]) throw new Error(`${what} is away`)
  }
  const queue: Queue = {
    ...inner,
    async add(jobs) {
      broken('add')
      await inner.add(jobs)
    },
  }
  const window: Window = {
    ...real,
    async enter(...args) {
      broken('enter')
      return real.enter(...args)
    },
    async beginRefill(...args) {
      readsNow = 0
      return real.beginRefill(...args)
    },
    async leave(...args) {
      broken('leave')
      return real.leave(...args)
    },
  }
  let reads = 0
  /** Of one refill. */
  let readsNow = 0
  let readsMost = 0
  const queued = (tenantId?: string) =>
    [...rows.values()].filter(
      ({ job, status }) => status === 'queued' && (tenantId === undefined || job.tenantId === tenantId),
    )
  const read = makeFairBacklog({
    clock,
    weightOf: () => 1,
    mostOf: (tenantId) => limits(tenantId).concurrency ?? Number.POSITIVE_INFINITY,
    isPaused: () => false,
    source: {
      tenants: async (priority, after, limit) =>
        priority === 3
          ? [...new Set(queued().map(({ job }) => job.tenantId))]
              .filter((tenantId) => tenantId > after)
              .sort()
              .slice(0, limit)
          : [],
      keys: async (_priority, _tenantId, after) => (after === undefined ? [''] : []),
      head: async (_priority, tenantId, _key, limit) =>
        queued(tenantId)
          .slice(0, limit)
          .map(({ job }) => ({ ...job, sinceMs: 0 })),
    },
  })
  const admission = makeAdmission({
    queue,
    window,
    clock,
    partition: 'tasks',
    workerId: 'me',
    backlog: {
      async read(...args) {
        reads++
        readsMost = Math.max(readsMost, ++readsNow)
        // What is inside goes on meanwhile.
        if (more.areReadsSlow) await settle()
        return read(...args)
      },
      look: async (ids) => {
        const found = ids.flatMap((id) => rows.get(id) ?? [])
        return {
          queued: found.filter(({ status }) => status === 'queued').map(({ job }) => job),
          working: found.filter(({ status }) => status === 'running').map(({ job }) => job.id),
        }
      },
    },
    entrant: (job) => {
      const asks = noRules.entrant(job)
      return asks && { ...asks, limits: limits(job.tenantId) }
    },
    onError: (error) => void errors.push(error),
    ...more.options,
  })
  const commit = (jobs: readonly Job[]): void => {
    for (const job of jobs) rows.set(job.id, { job, status: 'queued' })
  }
  /** Does jobs as the executor does, and counts how often each was done. */
  const consume = (concurrency: number, work: (job: Job) => Promise<void> = async () => {}) => {
    const done = new Map<string, number>()
    inner.consume({
      partition: 'tasks',
      concurrency,
      async handle(job) {
        const row = rows.get(job.id)
        if (row?.status === 'queued') {
          row.status = 'running'
          await work(job)
          rows.delete(job.id)
          done.set(job.id, (done.get(job.id) ?? 0) + 1)
        }
        admission.left(job)
      },
    })
    return done
  }
  return {
    ...{ clock, admission, window, queue, rows, errors, breaks, consume, commit },
    reads: () => reads,
    readsMost: () => readsMost,
    waiting: async () => (await inner.counts('tasks')).waiting,
    /** Committed and told. */
    async offer(jobs: readonly Job[]) {
      commit(jobs)
      for (const job of jobs) admission.offer(job)
      await settle()
    },
  }
}

const jobs = (count: number, tenantId = 'a'): Job[] => Array.from({ length: count }, (_, i) => jobOf(i, tenantId))

test('admission lets work through without reading the backlog while there is room', async () => {
  const { offer, waiting, reads } = setUp()
  await offer(jobs(20))
  assert.equal(await waiting(), 20)
  assert.equal(reads(), 0)
})

test('admission drains a backlog of any length through a bounded window, each job once', async () => {
  const { offer, consume, waiting, rows, errors, window, reads } = setUp()
  await offer(jobs(3000))
  assert.equal(await waiting(), 20)
  let most = 0
  const done = consume(3, async () => {
    most = Math.max(most, (await window.inside('tasks')).size)
  })
  while (rows.size > 0) await settle()
  assert.equal(done.size, 3000)
  assert.deepEqual([...new Set(done.values())], [1])
  assert.ok(most <= 20, `${most} jobs were inside`)
  assert.ok(reads() < 3000 / 5, `${reads()} readings`)
  assert.deepEqual(errors, [])
})

test('a refill ends, however quickly what it lets in is done', async () => {
  const { offer, consume, rows, readsMost, clock } = setUp({ areReadsSlow: true })
  await offer(jobs(1000))
  // Some are done during each reading.
  consume(10, () => new Promise((resolve) => setImmediate(resolve)))
  while (rows.size > 0) {
    await settle()
    clock.advance(1)
  }
  assert.ok(readsMost() <= 2, `${readsMost()} readings in one refill`)
})

test('admission takes work of the backlog that nobody offered here', async () => {
  const { commit, admission, consume, rows } = setUp()
  const done = consume(3)
  commit(jobs(100))
  await admission.refill()
  while (rows.size > 0) await settle()
  assert.equal(done.size, 100)
})

test('admission lets a tenant with little in at once while another has filled the window', async () => {
  const { offer, waiting } = setUp()
  await offer(jobs(500))
  await offer([jobOf(1, 'b')])
  assert.equal(await waiting(), 21)
})

test('a tenant at its limit with a huge backlog goes on as it may, and the backlog is not read in vain', async () => {
  const set = setUp({ limits: (tenantId) => (tenantId === 'a' ? { concurrency: 1 } : {}) })
  const { offer, consume, rows, reads, clock } = set
  let under = 0
  let most = 0
  await offer(jobs(2000))
  const done = consume(10, async () => {
    most = Math.max(most, ++under)
    await new Promise<void>((resolve) => clock.after(10, resolve))
    under--
  })
  const before = reads()
  await settle()
  for (let i = 0; i < 50; i++) {
    clock.advance(1)
    await settle()
  }
  assert.equal(most, 1)
  assert.equal(done.size, 5)
  assert.ok(reads() - before <= 6, `${reads() - before} readings for 5 jobs`)
  assert.equal(rows.size, 1995)
})

test('a rate-limited tenant with a huge backlog goes on at its rate, and others are not held up', async () => {
  const rate = { count: 10, periodMs: 1000 }
  const { offer, consume, clock, reads } = setUp({ limits: (tenantId) => (tenantId === 'a' ? { rate } : {}) })
  const done = consume(5)
  const of = (tenantId: string) => [...done.keys()].filter((id) => id.startsWith(tenantId)).length
  await offer(jobs(1000))
  assert.equal(of('a'), 10)
  for (let ms = 0; ms < 1000; ms += 50) {
    clock.advance(50)
    await settle()
  }
  assert.equal(of('a'), 20)
  assert.ok(reads() <= 40, `${reads()} readings`)
  const before = reads()
  await offer(jobs(200, 'b'))
  while (of('b') < 200) await settle()
  assert.ok(reads() - before <= 100, `${reads() - before} readings`)
})

test('a slow rate does not hold up another that is sooner', async () => {
  const limits = (tenantId: string): Limits => ({ rate: { count: 1, periodMs: tenantId === 'slow' ? 3_600_000 : 100 } })
  const { offer, consume, clock } = setUp({ limits })
  const done = consume(5)
  await offer([...jobs(2, 'slow'), ...jobs(2, 'quick')])
  clock.advance(100)
  await settle()
  assert.deepEqual([...done.keys()].toSorted(), ['quick-000000', 'quick-000001', 'slow-000000'])
})

test('a refill that is asked for during another one sees what was committed meanwhile', async () => {
  const { admission, commit, consume, rows } = setUp()
  const done = consume(3)
  commit(jobs(5))
  const first = admission.refill()
  commit(jobs(5, 'b'))
  await admission.refill()
  await first
  while (rows.size > 0) await settle()
  assert.equal(done.size, 10)
})

test('heal() adds again the jobs that the queue has lost', async () => {
  const { offer, queue, waiting, admission, clock } = setUp()
  await offer(jobs(5))
  for (const job of jobs(3)) await queue.remove('tasks', job.id)
  await admission.heal()
  assert.equal(await waiting(), 2, 'they are young: they may be on their way')
  clock.advance(15_001)
  await admission.heal()
  assert.equal(await waiting(), 5)
})

test('heal() of all doubts young jobs too, for the queue may just have lost them', async () => {
  const { offer, queue, waiting, admission } = setUp()
  await offer(jobs(5))
  for (const job of jobs(3)) await queue.remove('tasks', job.id)
  await admission.heal('all')
  assert.equal(await waiting(), 5)
})

test('heal() frees the places of jobs that are over, leaves those at work theirs, and goes on', async () => {
  const { offer, rows, admission, clock, window, queue, waiting } = setUp()
  await offer(jobs(40))
  const inside = [...(await window.inside('tasks')).keys()]
  // Their process died: the ends of ten were told to nobody; five are still at work.
  for (const id of inside.slice(0, 15)) await queue.remove('tasks', id)
  for (const id of inside.slice(0, 10)) rows.delete(id)
  for (const id of inside.slice(10, 15)) (rows.get(id) as Row).status = 'running'
  clock.advance(15_001)
  await admission.heal()
  await settle()
  const after = await window.inside('tasks')
  for (const id of inside.slice(0, 10)) assert.equal(after.has(id), false)
  for (const id of inside.slice(10, 15)) assert.equal(after.has(id), true)
  assert.equal(await waiting(), 15, 'the others have taken the places')
})

for (const what of ['add', 'enter', 'leave'] as const) {
  test(`nothing is lost, and all goes on by itself, after ${what} was away for a while`, async () => {
    const { offer, consume, clock, rows, breaks, errors, admission } = setUp()
    breaks[what] = true
    const done = consume(3)
    await offer(jobs(100))
    for (let i = 0; i < 5; i++) {
      clock.advance(1000)
      await settle()
    }
    breaks[what] = false
    for (let i = 0; i < 20 && rows.size > 0; i++) {
      clock.advance(1000)
      await settle()
      await admission.heal()
    }
    assert.equal(rows.size, 0)
    assert.deepEqual([...new Set(done.values())], [1])
    assert.ok(errors.length > 0 && errors.length < 40, `${errors.length} errors were told`)
  })
}

test('serve() says how many places there are, again and again until it ends', async () => {
  const { admission, window, clock } = setUp()
  const end = admission.serve(30)
  for (let i = 0; i < 10; i++) clock.advance(10_000)
  assert.equal(await window.room('tasks'), 50)
  end()
  assert.equal(await window.room('tasks'), 20)
})
