import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { DATABASES, type TestDatabase } from '../../test/support/databases.ts'
import { startTestEngine, type TestEngine } from '../../test/support/engine.ts'
import { connectRedis, randomPrefix, testRedisTarget } from '../../test/support/redis.ts'
import { until } from '../../test/support/until.ts'
import { makeLocalBus } from '../platform/bus/bus.ts'
import { type FakeClock, makeFakeClock, systemClock } from '../platform/clock.ts'
import { makeEventLog } from '../platform/events/log.ts'
import { makeIdGenerator } from '../platform/ids.ts'
import { makeLog } from '../platform/log.ts'
import { makeDeadLetterQueue } from '../platform/queue/bullmq-dead-letters.ts'
import { makeAgain } from './again.ts'
import { type DeadLetterCopy, makeDeadCopies } from './dead-copies.ts'
import { makeRedrives } from './redrives.ts'
import { makeTaskRepository } from './repository.ts'
import type { DeadLetter } from './types.ts'

const memory = () => {
  const letters = new Map<string, DeadLetterCopy>()
  return {
    letters,
    add: async (given: readonly DeadLetterCopy[]) => given.forEach((letter) => void letters.set(letter.id, letter)),
    remove: async (ids: readonly string[]) => ids.forEach((id) => void letters.delete(id)),
    ids: async () => [...letters.keys()],
  }
}

/** A clock of one sweeper, which has no timer while it is at work. */
const makeCountedClock = (): FakeClock & { isIdle(): Promise<unknown> } => {
  const clock = makeFakeClock(Date.now() + 1000)
  const timers = new Set<object>()
  return {
    ...clock,
    after(delayMs, fn) {
      const timer = {}
      timers.add(timer)
      const cancel = clock.after(delayMs, () => {
        timers.delete(timer)
        fn()
      })
      return () => {
        timers.delete(timer)
        cancel()
      }
    },
    isIdle: () => until('the sweep to be over', () => timers.size > 0, { everyMs: 1 }),
  }
}

for (const kind of DATABASES) {
  let opened: Promise<TestDatabase> | undefined
  const name = (title: string): string => `dead letters on ${kind.name}: ${title}`

  interface Bench {
    readonly engine: TestEngine
    readonly db: TestDatabase['db']
    readonly tenantId: string
    readonly copies: ReturnType<typeof memory>
    /** While it is true every task dies at once. */
    state: { isBroken: boolean; done: number }
    /** So many tasks that have died. */
    die(count: number, kind?: string): Promise<DeadLetter[]>
    dead(status?: 'dead' | 'redriven' | 'discarded'): Promise<DeadLetter[]>
  }

  const withBench = (title: string, body: (bench: Bench) => Promise<void>): void => {
    test(name(title), async () => {
      opened ??= kind.open()
      const { db } = await opened
      const tenantId = randomUUID()
      const state = { isBroken: true, done: 0 }
      const copies = memory()
      const work = async () => {
        if (state.isBroken) throw new Error('the service is away')
        return ++state.done
      }
      const engine = await startTestEngine({
        ...{ db, tenantId, concurrency: 20, deadLetterCopies: copies },
        handlers: { call: work, other: work },
      })
      const dead: Bench['dead'] = (status = 'dead') => engine.tasks.tasks.deadLetters(tenantId, { status, limit: 500 })
      const die: Bench['die'] = async (count, of = 'call') => {
        const before = (await dead()).length
        const request = {
          tenantId,
          projectId: null,
          kind: of,
          input: null,
          priority: 3,
          retry: { attempts: 1 },
        } as const
        await Promise.all(Array.from({ length: count }, () => engine.tasks.create(request)))
        await until('all to be dead', async () => (await dead()).length === before + count)
        return dead()
      }
      try {
        await body({ engine, db, tenantId, copies, state, die, dead })
      } finally {
        await engine.stop()
      }
    })
  }

  withBench('a redrive of many starts all that fit and were dead when it began, and says how many', async (b) => {
    await b.die(5)
    await b.die(3, 'other')
    b.state.isBroken = false
    const { id, count } = { count: 0, ...(await b.engine.tasks.redrives.start({ tenantId: b.tenantId, kind: 'call' })) }
    assert.equal(count, 0)
    const { redrives } = b.engine.tasks
    await redrives.sweeper.start()
    await until('its end', async () => (await redrives.find(b.tenantId, id)).status === 'completed')
    redrives.sweeper.stop()
    const redrive = await redrives.find(b.tenantId, id)
    assert.deepEqual([redrive.done, redrive.skipped], [5, 0])
    await until('their end', () => b.state.done === 5)
    assert.deepEqual(
      (await b.dead()).map((letter) => letter.kind),
      ['other', 'other', 'other'],
    )
    assert.equal(redrives.redriven, 5)
  })

  withBench('what dies again during a redrive is not started a second time by it', async (b) => {
    await b.die(4)
    const { redrives } = b.engine.tasks
    const { id } = await redrives.start({ tenantId: b.tenantId })
    await redrives.sweeper.start()
    await until('its end', async () => (await redrives.find(b.tenantId, id)).status === 'completed')
    await until('all to be dead again', async () => (await b.dead()).length === 4)
    redrives.sweeper.stop()
    assert.equal((await redrives.find(b.tenantId, id)).done, 4)
  })

  withBench('a redrive keeps to its rate, goes on after a restart, and ends when it is cancelled', async (b) => {
    await b.die(30)
    b.state.isBroken = false
    const clock = makeCountedClock()
    const tasks = makeTaskRepository(b.db.primary)
    const taken: string[] = []
    const make = () =>
      makeRedrives({
        ...{ db: b.db, bus: makeLocalBus(), clock, log: makeLog('silent'), makeId: makeIdGenerator(), tasks },
        async restart(letter) {
          taken.push(letter.id)
          await b.engine.tasks.redriveLetter(letter)
        },
      })
    const turn = async (seconds: number): Promise<void> => {
      for (let ms = 0; ms < seconds * 1000; ms += 50) {
        clock.advance(50)
        await clock.isIdle()
      }
    }
    const first = make()
    const { id } = await first.start({ tenantId: b.tenantId, ratePerSecond: 4 })
    await first.sweeper.start()
    await until('the first', () => taken.length === 1)
    await clock.isIdle()
    await turn(2)
    const before = taken.length
    assert.ok(before >= 7 && before <= 10, `${before} in two seconds at four a second`)
    first.sweeper.stop()
    const second = make()
    assert.deepEqual(
      (await second.list(b.tenantId, undefined, 10)).map((redrive) => redrive.status),
      ['running'],
    )
    await second.sweeper.start()
    await turn(2)
    assert.ok(taken.length >= before + 6 && taken.length <= before + 10, `${taken.length - before} after the restart`)
    assert.equal(new Set(taken).size, taken.length)
    assert.equal((await second.cancel(b.tenantId, id)).status, 'cancelled')
    const after = taken.length
    await turn(2)
    assert.equal(taken.length, after)
    await assert.rejects(second.cancel(b.tenantId, id), { code: 'redrive_over' })
    second.sweeper.stop()
    await until('all to be counted', async () => (await second.find(b.tenantId, id)).done === after)
    assert.equal((await b.dead()).length, 30 - after)
  })

  withBench('a redrive may be slower than one a second', async (b) => {
    await b.die(3)
    b.state.isBroken = false
    const clock = makeCountedClock()
    let taken = 0
    const redrives = makeRedrives({
      ...{ db: b.db, bus: makeLocalBus(), clock, log: makeLog('silent'), makeId: makeIdGenerator() },
      tasks: makeTaskRepository(b.db.primary),
      async restart(letter) {
        await b.engine.tasks.redriveLetter(letter)
        taken++
      },
    })
    const { id } = await redrives.start({ tenantId: b.tenantId, ratePerSecond: 0.3 })
    await redrives.sweeper.start()
    await until('the first', async () => (await redrives.find(b.tenantId, id)).done === 1)
    await clock.isIdle()
    clock.advance(3300)
    await clock.isIdle()
    assert.equal(taken, 1)
    clock.advance(40)
    await until('the second', async () => (await redrives.find(b.tenantId, id)).done === 2)
    assert.equal((await redrives.find(b.tenantId, id)).ratePerSecond, 0.3)
    redrives.sweeper.stop()
  })

  withBench('a letter that somebody else took first is passed over and counted', async (b) => {
    const letters = await b.die(3)
    const clock = makeFakeClock(Date.now() + 1000)
    const redrives = makeRedrives({
      ...{ db: b.db, bus: makeLocalBus(), clock, log: makeLog('silent'), makeId: makeIdGenerator() },
      tasks: makeTaskRepository(b.db.primary),
      async restart(letter) {
        if (letter.id === letters[1]?.id) await b.engine.tasks.redriveLetter(letter)
        await b.engine.tasks.redrive(b.tenantId, letter.id)
      },
    })
    b.state.isBroken = false
    const { id } = await redrives.start({ tenantId: b.tenantId })
    await redrives.sweeper.start()
    redrives.sweeper.stop()
    const redrive = await redrives.find(b.tenantId, id)
    assert.deepEqual([redrive.status, redrive.done, redrive.skipped], ['completed', 2, 1])
  })

  withBench(
    'a letter read before somebody else redrove it starts nothing again: not what is done, nor dead anew',
    async (b) => {
      const [one, two] = (await b.die(2)) as [DeadLetter, DeadLetter]
      await b.engine.tasks.redrive(b.tenantId, two.id)
      const again = await until('it to be dead anew', async () =>
        (await b.dead()).find(({ taskId, id }) => taskId === two.taskId && id !== two.id),
      )
      b.state.isBroken = false
      await b.engine.tasks.redrive(b.tenantId, one.id)
      await until('its end', async () => (await b.engine.tasks.find(b.tenantId, one.taskId)).status === 'completed')
      for (const letter of [one, two]) {
        await assert.rejects(b.engine.tasks.redriveLetter(letter), { code: 'dead_letter_resolved' })
      }
      assert.equal((await b.engine.tasks.find(b.tenantId, one.taskId)).status, 'completed')
      assert.deepEqual(
        (await b.dead()).map(({ id }) => id),
        [again.id],
      )
    },
  )

  withBench('a letter that is discarded while it is being redriven is not started again', async (b) => {
    const [letter] = (await b.die(1)) as [DeadLetter]
    const again = makeAgain({
      db: {
        ...b.db,
        async commit(unit) {
          await b.engine.tasks.discard(b.tenantId, letter.id)
          return b.db.commit(unit)
        },
      },
      ...{ clock: systemClock, tasks: makeTaskRepository(b.db.primary), find: b.engine.tasks.find },
      offer: () => assert.fail('it was started again'),
      resolved: () => assert.fail('it was redriven'),
    })
    await assert.rejects(again.redrive(b.tenantId, letter.id), { code: 'stale_write' })
    assert.equal((await b.engine.tasks.find(b.tenantId, letter.taskId)).status, 'dead')
    assert.deepEqual(
      (await b.dead('discarded')).map(({ id }) => id),
      [letter.id],
    )
  })

  withBench('redrives of another tenant are not found', async (b) => {
    const { id } = await b.engine.tasks.redrives.start({ tenantId: b.tenantId })
    await assert.rejects(b.engine.tasks.redrives.find(randomUUID(), id), { code: 'redrive_not_found' })
    await assert.rejects(b.engine.tasks.redrives.cancel(randomUUID(), id), { code: 'redrive_not_found' })
    await b.engine.tasks.redrives.cancel(b.tenantId, id)
  })

  withBench('many are discarded by filter, and each is told of once', async (b) => {
    await b.die(6)
    await b.die(2, 'other')
    assert.deepEqual(await b.engine.tasks.discardMany(b.tenantId, { kind: 'call' }), { count: 6, hasMore: false })
    assert.deepEqual([(await b.dead()).length, (await b.dead('discarded')).length], [2, 6])
    const events = await makeEventLog(b.db).read({ tenantId: b.tenantId, afterId: 0, limit: 500 })
    assert.equal(events.filter(({ type }) => type === 'task.discarded').length, 6)
  })

  withBench('a copy stands beside the queue until the letter is redriven, retried or discarded', async (b) => {
    const [one, two, three, four] = (await b.die(4)) as [DeadLetter, DeadLetter, DeadLetter, DeadLetter]
    const ids = () => [...b.copies.letters.keys()].toSorted()
    await until('the copies', () => b.copies.letters.size === 4)
    assert.equal(b.copies.letters.get(one.id)?.reason, 'attempts_used_up: the service is away')
    b.state.isBroken = false
    await b.engine.tasks.redrive(b.tenantId, one.id)
    await b.engine.tasks.discard(b.tenantId, two.id)
    await b.engine.tasks.retry(b.tenantId, three.taskId)
    assert.deepEqual(ids(), [four.id])
  })

  withBench('a copy that was not taken out does not stand for one that is missing', async (b) => {
    const [resolved, dead] = (await b.die(2)) as [DeadLetter, DeadLetter]
    await b.engine.tasks.discard(b.tenantId, resolved.id)
    const copies = memory()
    const tasks = makeTaskRepository(b.db.primary)
    const others = (await tasks.newestDead(5000)).filter(({ id }) => id !== dead.id)
    await copies.add([...others, resolved])
    const { sweeper } = makeDeadCopies({
      ...{ copies, tasks, bus: makeLocalBus(), clock: makeFakeClock(), log: makeLog('silent') },
    })
    await sweeper.start()
    sweeper.stop()
    assert.deepEqual([copies.letters.has(dead.id), copies.letters.has(resolved.id)], [true, false])
  })

  test(name('copies that Redis has lost are made again by the sweep'), async () => {
    opened ??= kind.open()
    const { db } = await opened
    const redis = await connectRedis(testRedisTarget())
    const prefix = randomPrefix()
    const queue = makeDeadLetterQueue({ redis, prefix })
    const tasks = makeTaskRepository(db.primary)
    const wanted = await tasks.newestDeadIds(5000)
    assert.ok(wanted.length > 0, 'the tests before this one left letters')
    const clock = makeFakeClock()
    const { sweeper } = makeDeadCopies({ copies: queue, tasks, bus: makeLocalBus(), clock, log: makeLog('silent') })
    await sweeper.start()
    assert.deepEqual(await queue.ids(), wanted)
    const keys = await redis.client.keys(`${prefix}*`)
    await redis.client.del(...keys)
    assert.deepEqual(await queue.ids(), [])
    clock.advance(30_000)
    await until('the copies', async () => (await queue.ids()).length === wanted.length)
    sweeper.stop()
    await queue.stop()
  })
}
