import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { DATABASES, type TestDatabase } from '../../test/support/databases.ts'
import { startTestEngine } from '../../test/support/engine.ts'
import { until } from '../../test/support/until.ts'
import { type Bus, type BusListener, makeLocalBus } from '../platform/bus/bus.ts'
import { type FakeClock, makeFakeClock } from '../platform/clock.ts'
import { makeEventLog } from '../platform/events/log.ts'
import type { Json } from '../platform/json.ts'
import type { Job, Partition } from '../platform/queue/queue.ts'
import { makeQueueService, type QueueService } from './service.ts'

/** Buses of processes side by side: an ask is acted on by all when it resolves, unless the wire is cut. */
const makeBuses = (count: number): { buses: Bus[]; cut(): void } => {
  const listeners: Map<string, BusListener>[] = Array.from({ length: count }, () => new Map())
  let isCut = false
  const buses = listeners.map(
    (own, i): Bus => ({
      ...makeLocalBus(),
      isShared: true,
      on: (topic, listener) => void own.set(topic, listener),
      async ask(topic, message) {
        if (isCut) return
        listeners.forEach((other, j) => {
          if (j !== i) other.get(topic)?.(JSON.parse(JSON.stringify(message)) as Json, `p${i}`)
        })
      },
    }),
  )
  return {
    buses,
    cut() {
      isCut = true
    },
  }
}

const operator = { tenantId: 'operator', isOperator: true }
const all = (partition: Partition) => ({ tenantId: '', partition, key: '' })
const jobOf = (tenantId: string, key?: string, partition: Partition = 'tasks'): Job => ({
  ...{ id: randomUUID(), partition, tenantId, priority: 3 },
  ...(key === undefined ? {} : { key }),
})

for (const kind of DATABASES) {
  let opened: Promise<TestDatabase> | undefined
  const setUp = async ({
    behindMs = 0,
  } = {}): Promise<{
    readonly a: QueueService
    readonly b: QueueService
    readonly clock: FakeClock
    readonly tenantId: string
    readonly author: { tenantId: string; isOperator: boolean }
    readonly place: { tenantId: string; partition: ''; key: string }
    cut(): void
    events(tenantId: string): Promise<unknown[]>
  }> => {
    opened ??= kind.open()
    const { db } = await opened
    const clock = makeFakeClock(Date.now())
    const { buses, cut } = makeBuses(2)
    const onError = (error: unknown): void => {
      throw error
    }
    const clocks = [clock, { ...clock, now: () => clock.now() - behindMs }]
    const made = buses.map((bus, i) => makeQueueService({ db, bus, clock: clocks[i] as FakeClock, onError }))
    const [a, b] = made as [QueueService, QueueService]
    await Promise.all([a.start(), b.start()])
    const tenantId = randomUUID()
    await db.transaction(async (tx) => {
      const row = { id: tenantId, name: tenantId, status: 'active', created_at: 0 }
      await tx.withTables<{ tenants: typeof row }>().insertInto('tenants').values(row).execute()
    })
    return {
      ...{ a, b, clock, tenantId, cut },
      author: { tenantId, isOperator: false },
      place: { tenantId, partition: '', key: '' },
      events: async (of) =>
        (await makeEventLog(db).read({ tenantId: of, afterId: 0, limit: 100 })).map(({ type, data }) => [type, data]),
    }
  }
  const name = (title: string): string => `queue rules on ${kind.name}: ${title}`

  test(name('without a rule everything is free'), async () => {
    const { a, tenantId } = await setUp()
    const job = jobOf(tenantId, 'crm')
    assert.equal(a.rules.isFree('tasks', tenantId, 'crm'), true)
    assert.deepEqual(a.rules.entrant(job), {
      ...{ id: job.id, tenantId, key: 'crm', weight: 1 },
      ...{ limits: {}, keyLimits: {} },
    })
    assert.equal(a.rules.mostOf('tasks', tenantId), Number.POSITIVE_INFINITY)
  })

  test(name('changes of different parts of a rule at the same time lose none of each other'), async () => {
    const { a, b, tenantId, author, place } = await setUp()
    for (let round = 1; round <= 10; round++) {
      await Promise.all([
        a.set(author, place, { paused: round % 2 === 1 }),
        b.set(operator, place, { weight: 1 + round }),
        a.set(operator, place, { concurrency: 100 + round }),
      ])
      const [rule] = await a.list(tenantId, { limit: 10 })
      assert.deepEqual(
        [rule?.paused.byTenant, rule?.weight, rule?.concurrency],
        [round % 2 === 1, 1 + round, 100 + round],
      )
    }
  })

  test(name('list() goes on after a place'), async () => {
    const { a, tenantId } = await setUp()
    for (const partition of ['tasks', '', 'agents'] as const)
      for (const key of ['b', '*', 'é', 'A']) await a.set(operator, { tenantId, partition, key }, { concurrency: 1 })
    const all = await a.list(tenantId, { limit: 100 })
    assert.equal(all.length, 12)
    const seen = []
    for (let after: (typeof all)[number] | undefined; ; after = seen.at(-1)) {
      const page = await a.list(tenantId, { after, limit: 5 })
      seen.push(...page)
      if (page.length < 5) break
    }
    assert.deepEqual(seen, all)
  })

  test(name('a pause holds in every process when set() has resolved, is told of, and goes as it came'), async () => {
    const { a, b, tenantId, author, place, events } = await setUp()
    let changes = 0
    b.rules.onChange(() => changes++)
    await a.set(author, place, { paused: true })
    assert.equal(b.rules.isPaused('tasks', tenantId), true)
    assert.equal(b.rules.entrant(jobOf(tenantId)), undefined)
    assert.equal(b.rules.isFree('agents', tenantId), false)
    assert.equal(b.rules.isPaused('tasks', 'another'), false)
    await a.set(author, place, { paused: true })
    await b.set(author, place, { paused: false })
    assert.equal(a.rules.isPaused('tasks', tenantId), false)
    assert.equal(changes, 3)
    assert.deepEqual(await events(tenantId), [
      ['tenant.paused', {}],
      ['tenant.resumed', {}],
    ])
    assert.deepEqual(await a.list(tenantId, { limit: 10 }), [])
  })

  test(
    name('a pause holds at once, too, where the clock is behind that of whoever lifted the one before'),
    async () => {
      const { a, b, author, place, tenantId } = await setUp({ behindMs: 60_000 })
      await a.set(author, place, { paused: true })
      await a.set(author, place, { paused: false })
      await b.set(author, place, { paused: true })
      for (const { rules } of [a, b]) assert.equal(rules.isPaused('tasks', tenantId), true)
      a.stop()
      b.stop()
    },
  )

  test(name('the operator pauses a partition for all; nobody else does'), async () => {
    const { a, b, tenantId, author, events } = await setUp()
    const owner = { tenantId: randomUUID(), isOperator: true }
    await assert.rejects(a.set(author, all('agents'), { paused: true }), { code: 'operator_only' })
    await a.set(owner, all('agents'), { paused: true })
    assert.equal(b.rules.isPaused('agents', tenantId), true)
    assert.equal(b.rules.isPaused('tasks', tenantId), false)
    assert.deepEqual([...(await b.pausedPartitions())], ['agents'])
    await a.set(owner, all('agents'), { paused: false })
    assert.equal(b.rules.isPaused('agents', tenantId), false)
    assert.deepEqual(await events(owner.tenantId), [
      ['partition.paused', { partition: 'agents' }],
      ['partition.resumed', { partition: 'agents' }],
    ])
  })

  test(name('a tenant does not lift the pause of the operator, and the operator lifts both'), async () => {
    const { a, tenantId, author, place } = await setUp()
    await a.set(operator, place, { paused: true })
    await a.set(author, place, { paused: true })
    await a.set(author, place, { paused: false })
    assert.equal(a.rules.isPaused('tasks', tenantId), true)
    await a.set(author, place, { paused: true })
    await a.set(operator, place, { paused: false })
    assert.equal(a.rules.isPaused('tasks', tenantId), false)
  })

  test(name('limits of a tenant are the operator’s to set; those of its keys are its own'), async () => {
    const { a, tenantId, author, place } = await setUp()
    await assert.rejects(a.set(author, place, { concurrency: 9 }), { code: 'operator_only' })
    await assert.rejects(a.set(author, { ...place, tenantId: 'other', key: 'k' }, { concurrency: 9 }), {
      code: 'operator_only',
    })
    await a.set(operator, place, { concurrency: 5, weight: 3, rate: { count: 7, periodMs: 1000 } })
    await a.set(operator, { ...place, partition: 'agents' }, { concurrency: 2 })
    await a.set(author, { ...place, key: 'crm' }, { concurrency: 1 })
    await a.set(author, { ...place, key: '*' }, { concurrency: 4 })
    const limits = { concurrency: 5, rate: { count: 7, periodMs: 1000 } }
    const asks = a.rules.entrant(jobOf(tenantId, 'crm'))
    assert.deepEqual([asks?.weight, asks?.limits], [3, limits])
    assert.deepEqual(asks?.keyLimits, { concurrency: 1, rate: undefined })
    assert.deepEqual(a.rules.entrant(jobOf(tenantId, 'erp'))?.keyLimits, { concurrency: 4, rate: undefined })
    assert.deepEqual(a.rules.entrant(jobOf(tenantId))?.keyLimits, {})
    // What the partition's own rule leaves open is as for all.
    assert.deepEqual(a.rules.entrant(jobOf(tenantId, undefined, 'agents'))?.limits, { ...limits, concurrency: 2 })
    assert.equal(a.rules.mostOf('agents', tenantId), 2)
    assert.equal(a.rules.isFree('tasks', tenantId), false)
  })

  test(name('what is left out stays, null takes away, and a rule that says nothing is gone'), async () => {
    const { a, b, tenantId, place } = await setUp()
    await a.set(operator, place, { concurrency: 5, weight: 3 })
    await b.set(operator, place, { concurrency: null })
    assert.deepEqual([a.rules.weightOf(tenantId), a.rules.mostOf('tasks', tenantId)], [3, Number.POSITIVE_INFINITY])
    await a.remove(operator, place)
    assert.equal(b.rules.weightOf(tenantId), 1)
    assert.deepEqual(await a.list(tenantId, { limit: 10 }), [])
    await assert.rejects(a.remove(operator, place), { code: 'queue_rule_not_found' })
  })

  test(name('nonsense is refused with what would be right'), async () => {
    const { a, author, place } = await setUp()
    await assert.rejects(a.set(operator, all('tasks'), { concurrency: 3 }), /it can have paused/)
    await assert.rejects(a.set(author, { ...place, key: 'k' }, { paused: true }), /it can have concurrency and rate/)
    await assert.rejects(a.set(author, place, {}), { code: 'queue_rule_invalid' })
    await assert.rejects(a.set(operator, { ...place, tenantId: 'nobody' }, { weight: 2 }), {
      code: 'queue_tenant_not_found',
    })
  })

  test(name('rules hold after a restart, and what was lost on the wire is found later'), async () => {
    const { a, b, tenantId, author, place, clock, cut } = await setUp()
    cut()
    await a.set(author, place, { paused: true })
    assert.equal(b.rules.isPaused('tasks', tenantId), false)
    clock.advance(30_000)
    await until('the rule to be found', () => b.rules.isPaused('tasks', tenantId))
    const { db } = await (opened as Promise<TestDatabase>)
    const next = makeQueueService({ db, bus: makeLocalBus(), clock, onError: () => {} })
    await next.start()
    assert.equal(next.rules.isPaused('tasks', tenantId), true)
  })

  test(
    name('a paused tenant’s tasks wait in the database, others go on, and all are done when it is resumed'),
    async () => {
      const { a, tenantId, author, place } = await setUp()
      const { db } = await (opened as Promise<TestDatabase>)
      const done: string[] = []
      const engine = await startTestEngine({
        ...{ db, tenantId, concurrency: 2, rules: a.rules },
        handlers: { note: async (input) => done.push(String(input)) },
      })
      const make = (of: string, input: string) =>
        engine.tasks.create({ tenantId: of, projectId: null, kind: 'note', input, priority: 3 })
      await a.set(author, place, { paused: true })
      const made = await Promise.all([1, 2, 3, 4, 5].map((n) => make(tenantId, `p${n}`)))
      await make(randomUUID(), 'other')
      await until('the other tenant’s task', () => done.length > 0)
      assert.deepEqual(done, ['other'])
      for (const { task } of made) assert.equal((await engine.tasks.find(tenantId, task.id)).status, 'queued')
      await a.set(author, place, { paused: false })
      await until('all to be done', () => done.length >= 6)
      assert.deepEqual(done.slice(1).toSorted(), ['p1', 'p2', 'p3', 'p4', 'p5'])
      await engine.stop()
    },
  )

  test(name('tasks with a limit key are done as many at a time as it allows'), async () => {
    const { a, tenantId, author, place } = await setUp()
    const { db } = await (opened as Promise<TestDatabase>)
    let under = 0
    let most = 0
    let done = 0
    const engine = await startTestEngine({
      ...{ db, tenantId, concurrency: 10, rules: a.rules },
      handlers: {
        async call() {
          most = Math.max(most, ++under)
          await new Promise((resolve) => setTimeout(resolve, 2))
          under--
          done++
          return null
        },
      },
    })
    await a.set(author, { ...place, key: 'crm' }, { concurrency: 2 })
    const request = { tenantId, projectId: null, kind: 'call', input: null, priority: 3, limitKey: 'crm' } as const
    const made = await Promise.all(Array.from({ length: 30 }, () => engine.tasks.create(request)))
    assert.equal((await engine.tasks.find(tenantId, made[0]?.task.id as string)).limitKey, 'crm')
    await until('all to be done', () => done >= 30)
    assert.deepEqual([done, most], [30, 2])
    await engine.stop()
  })
}
