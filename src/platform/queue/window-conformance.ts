/** The contract of the window as a test suite that every adapter runs. Time is turned by hand. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type FakeClock, makeFakeClock } from '../clock.ts'
import { type Entrant, type Entry, PLACES_KEPT_MS, REFILL_LOCK_MS, type Window } from './window.ts'

const P = 'tasks'

export interface WindowTarget {
  readonly name: string
  /** A new, empty window. With the same `group` it is that of another process. */
  open(options: { clock: FakeClock; windowSize: number; workerId: string; group: object }): Promise<Window>
}

let lastId = 0
const from = (tenantId: string, more: Partial<Entrant> = {}): Entrant => ({
  ...{ id: `job-${++lastId}`, tenantId, weight: 1, limits: {}, keyLimits: {} },
  ...more,
})
const many = (count: number, tenantId: string, more: Partial<Entrant> = {}): Entrant[] =>
  Array.from({ length: count }, () => from(tenantId, more))

const isIn = (entry: Entry | undefined): boolean => entry !== undefined && 'rank' in entry
const countIn = (entries: readonly Entry[]): number => entries.filter(isIn).length
const ranks = (entries: readonly Entry[]) => entries.map((entry) => ('rank' in entry ? entry.rank : undefined))
const ids = (entrants: readonly Entrant[]): string[] => entrants.map(({ id }) => id)

export const describeWindow = ({ name, open }: WindowTarget): void => {
  interface Bench {
    readonly window: Window
    readonly other: Window
    readonly clock: FakeClock
    one(entrant: Entrant): Promise<Entry>
    fill(tenantId?: string): Promise<Entrant[]>
  }
  /** A window of 100, and the same one as another process has it. */
  const withWindow = (title: string, body: (bench: Bench) => Promise<void>): void => {
    test(`${name}: ${title}`, async () => {
      const clock = makeFakeClock()
      const group = {}
      const [window, other] = await Promise.all(
        ['first', 'second'].map((workerId) => open({ clock, windowSize: 100, workerId, group })),
      )
      assert.ok(window && other)
      const fill = async (tenantId = 'flood'): Promise<Entrant[]> => {
        const jobs = many(100, tenantId)
        assert.equal(countIn(await window.enter(P, jobs, false)), 100)
        return jobs
      }
      const one = async (entrant: Entrant): Promise<Entry> => (await window.enter(P, [entrant], false))[0] as Entry
      await body({ window, other, clock, one, fill })
    })
  }

  withWindow('enter() lets in as many as the window holds, and beyond it those that are done at a time', async (b) => {
    await b.window.setPlaces(P, 'first', 20)
    await b.window.setPlaces(P, 'second', 30)
    assert.equal(await b.window.room(P), 150)
    const entries = await b.window.enter(P, many(200, 'a'), false)
    assert.equal(countIn(entries), 150)
    assert.deepEqual(entries.at(-1), { refused: 'full' })
    assert.equal(await b.window.room(P), 0)
    assert.equal((await b.window.inside(P)).size, 150)
  })

  withWindow('enter() of nobody answers nothing', async ({ window }) => {
    assert.deepEqual(await window.enter(P, [], false), [])
  })

  withWindow('enter() takes no second place for the same job', async ({ window, one }) => {
    const job = from('a')
    assert.deepEqual(await one(job), { rank: 0, isNew: true })
    const again = await one(job)
    assert.equal('isNew' in again && again.isNew, false)
    assert.equal((await window.inside(P)).size, 1)
    await window.leave(P, [job.id])
    await window.leave(P, [job.id])
    assert.equal(await window.room(P), 100)
  })

  withWindow('inside() tells whose jobs are inside and since when', async ({ window, clock, one }) => {
    const job = from('a', { key: 'k' })
    await one(job)
    clock.advance(20_000)
    const [[id, held] = []] = [...(await window.inside(P))]
    assert.equal(id, job.id)
    assert.deepEqual([held?.tenantId, held?.key], ['a', 'k'])
    assert.equal(held?.enteredMs, clock.now() - 20_000)
  })

  withWindow('partitions know nothing of each other', async ({ window, fill }) => {
    await fill()
    assert.equal(await window.room('agents'), 100)
    assert.equal((await window.inside('agents')).size, 0)
  })

  withWindow('the rank rises with what a tenant has under way, up to its fair part of the places', async (b) => {
    await b.window.setPlaces(P, 'first', 9)
    assert.deepEqual(ranks(await b.window.enter(P, many(12, 'a'), false)), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9])
    // With two more tenants each has three places.
    assert.deepEqual(ranks(await b.window.enter(P, [from('b'), from('c'), from('a')], false)), [0, 0, 3])
  })

  withWindow('a tenant of weight two gets the rank of half of what it has', async ({ window }) => {
    await window.setPlaces(P, 'first', 100)
    assert.deepEqual(ranks(await window.enter(P, many(5, 'a', { weight: 2 }), false)), [0, 0, 1, 1, 2])
  })

  withWindow('a tenant with little gets in when another has filled the window', async ({ fill, window }) => {
    await fill()
    const entries = await window.enter(P, many(12, 'small'), false)
    // A tenth of the window is kept for it.
    assert.equal(countIn(entries), 10)
    assert.deepEqual(entries.at(-1), { refused: 'full' })
  })

  withWindow('what is let in beyond the window ends at a second window, however many tenants come', async (b) => {
    await b.fill()
    let entered = 0
    for (let i = 0; i < 300; i++) if (isIn(await b.one(from(`tenant-${i}`)))) entered++
    assert.equal(entered, 100)
    assert.equal((await b.window.inside(P)).size, 200)
    assert.equal(await b.window.room(P), 0)
  })

  withWindow('after a refusal new work stands back, even when there is room again, until a refill', async (b) => {
    const jobs = await b.fill()
    assert.deepEqual(await b.one(from('flood')), { refused: 'full' })
    await b.window.leave(P, ids(jobs).slice(0, 20))
    assert.deepEqual(await b.one(from('flood')), { refused: 'full' })
    assert.ok(isIn(await b.one(from('small'))), 'a tenant with little waits for nobody')
    assert.equal(await b.window.beginRefill(P), true)
    assert.ok(isIn((await b.window.enter(P, [from('flood')], true))[0]))
    await b.window.endRefill(P, true)
    assert.ok(isIn(await b.one(from('flood'))), 'the backlog is drained')
  })

  withWindow('a refill that did not drain the backlog leaves new work standing back', async (b) => {
    const jobs = await b.fill()
    await b.window.leave(P, ids(jobs).slice(0, 20))
    await b.window.beginRefill(P)
    await b.window.endRefill(P, false)
    assert.deepEqual(await b.one(from('flood')), { refused: 'full' })
  })

  withWindow('leave() asks for a refill once half of the window is empty, if there is a backlog', async (b) => {
    const jobs = ids(await b.fill())
    assert.equal(await b.window.leave(P, jobs.slice(0, 10)), false, 'nobody waits')
    assert.equal(countIn(await b.window.enter(P, many(11, 'flood'), false)), 10)
    assert.equal(await b.window.leave(P, jobs.slice(10, 20)), false, 'it is still more than half full')
    assert.equal(await b.window.leave(P, jobs.slice(20, 60)), true)
  })

  withWindow('a tenant has no more under way than its limit, and leave() says when it may go on', async (b) => {
    const limits = { concurrency: 2 }
    const jobs = many(3, 'a', { limits })
    const entries = await b.window.enter(P, jobs, false)
    assert.deepEqual([countIn(entries), entries[2]], [2, { refused: 'limit' }])
    assert.ok(isIn(await b.one(from('b'))), 'others are not concerned')
    assert.equal(await b.window.leave(P, [jobs[0]?.id as string]), true)
    assert.ok(isIn(await b.one(jobs[2] as Entrant)))
    assert.equal(await b.window.leave(P, [jobs[1]?.id as string]), false, 'nobody waits any more')
  })

  withWindow('jobs with the same key share its limit; those of another key or tenant do not', async (b) => {
    const withKey = { key: 'crm', keyLimits: { concurrency: 1 } }
    const jobs = many(2, 'a', withKey)
    const entries = await b.window.enter(P, jobs, false)
    assert.deepEqual(entries[1], { refused: 'limit' })
    assert.ok(isIn(await b.one(from('a', { ...withKey, key: 'erp' }))))
    assert.ok(isIn(await b.one(from('b', withKey))))
    assert.ok(isIn(await b.one(from('a'))))
    assert.equal(await b.window.leave(P, [jobs[0]?.id as string]), true)
    assert.ok(isIn(await b.one(jobs[1] as Entrant)))
  })

  for (const [whose, more] of [
    ['tenant', { limits: { rate: { count: 5, periodMs: 1000 } } }],
    ['key', { key: 'crm', keyLimits: { rate: { count: 5, periodMs: 1000 } } }],
  ] as const) {
    withWindow(`the rate of a ${whose} allows a burst, then one each part of the period`, async (b) => {
      const jobs = many(7, 'a', more)
      const entries = await b.window.enter(P, jobs, false)
      assert.equal(countIn(entries), 5)
      assert.deepEqual(entries[5], { refused: 'rate', againInMs: 200 })
      await b.window.leave(P, ids(jobs))
      b.clock.advance(150)
      assert.deepEqual(await b.one(from('a', more)), { refused: 'rate', againInMs: 50 })
      b.clock.advance(50)
      assert.deepEqual(countIn(await b.window.enter(P, many(2, 'a', more), false)), 1)
      // After a rest of a whole period there is a burst again, and no more than that.
      b.clock.advance(5000)
      assert.equal(countIn(await b.window.enter(P, many(9, 'a', more), false)), 5)
      assert.ok(isIn(await b.one(from('b'))), 'others are not concerned')
    })
  }

  withWindow('a rate of many in a short time is kept exactly', async (b) => {
    // Steps of a sixteenth of a millisecond.
    const more = { limits: { rate: { count: 16, periodMs: 1 } } }
    for (let i = 0; i < 2; i++) {
      assert.equal(countIn(await b.window.enter(P, many(20, 'a', more), true)), 16)
      b.clock.advance(1)
    }
  })

  withWindow('a rate that was slower before holds nobody up', async (b) => {
    const at = (periodMs: number) => from('a', { limits: { rate: { count: 1, periodMs } } })
    await b.one(at(3_600_000))
    assert.deepEqual(await b.one(at(1000)), { refused: 'rate', againInMs: 1000 })
    b.clock.advance(1000)
    assert.ok(isIn(await b.one(at(1000))))
  })

  withWindow('who is refused for the rate uses none of it up', async (b) => {
    const more = { limits: { rate: { count: 1, periodMs: 1000 } } }
    assert.ok(isIn(await b.one(from('a', more))))
    for (let i = 0; i < 10; i++) assert.deepEqual(await b.one(from('a', more)), { refused: 'rate', againInMs: 1000 })
    b.clock.advance(1000)
    assert.ok(isIn(await b.one(from('a', more))))
  })

  withWindow('only one process refills at a time', async ({ window, other }) => {
    assert.equal(await window.beginRefill(P), true)
    assert.equal(await other.beginRefill(P), false)
    assert.equal(await window.beginRefill(P), false)
    assert.equal(await window.beginRefill('agents'), true)
    await window.endRefill(P, true)
    assert.equal(await other.beginRefill(P), true)
  })

  withWindow('a refill whose process is gone holds nobody up for long', async ({ window, other, clock }) => {
    await window.beginRefill(P)
    clock.advance(REFILL_LOCK_MS - 1)
    assert.equal(await other.beginRefill(P), false)
    clock.advance(1)
    assert.equal(await other.beginRefill(P), true)
  })

  withWindow('a refill that was asked for during another one follows it', async ({ window, other }) => {
    await window.beginRefill(P)
    await other.beginRefill(P)
    assert.equal(await window.endRefill(P, true), true)
    await window.beginRefill(P)
    assert.equal(await window.endRefill(P, true), false, 'asked for once, done once')
  })

  withWindow('who becomes free of its limit during a refill is not forgotten', async ({ window, one }) => {
    const jobs = many(2, 'a', { limits: { concurrency: 1 } })
    await window.enter(P, jobs, false)
    await window.beginRefill(P)
    assert.equal(await window.leave(P, [jobs[0]?.id as string]), false, 'the refill under way is told')
    assert.equal(await window.endRefill(P, true), true)
    assert.ok(isIn(await one(jobs[1] as Entrant)))
  })

  withWindow('a window that runs empty during a refill is filled again', async ({ window, fill }) => {
    const jobs = await fill()
    await window.beginRefill(P)
    assert.equal(await window.leave(P, ids(jobs)), false)
    assert.equal(await window.endRefill(P, false), true)
  })

  withWindow('places of a process that is gone are not counted any more', async ({ window, clock }) => {
    await window.setPlaces(P, 'first', 50)
    clock.advance(PLACES_KEPT_MS - 1000)
    await window.setPlaces(P, 'second', 10)
    assert.equal(await window.room(P), 160)
    clock.advance(2000)
    assert.equal(await window.room(P), 110)
    await window.setPlaces(P, 'second', 0)
    assert.equal(await window.room(P), 100)
  })

  withWindow('all processes have the same window', async ({ window, other, fill }) => {
    const jobs = await fill()
    assert.equal(await other.room(P), 0)
    assert.equal((await other.inside(P)).size, 100)
    assert.equal(countIn(await other.enter(P, many(1, 'flood'), false)), 0)
    assert.equal(await other.leave(P, ids(jobs)), true)
    assert.equal(await window.room(P), 100)
  })
}
