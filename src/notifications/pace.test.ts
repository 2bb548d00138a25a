import assert from 'node:assert/strict'
import test, { before, describe, type TestContext } from 'node:test'
import { DATABASES, type TestDatabase } from '../../test/support/databases.ts'
import {
  makeTestNotifications,
  type Received,
  type Reply,
  startReceiver,
  type TestOptions,
  verify,
} from '../../test/support/notifications.ts'
import { until } from '../../test/support/until.ts'
import { makeFakeClock } from '../platform/clock.ts'
import { retryAfter } from './dispatch.ts'
import { DELIVERY_RETRY } from './service.ts'
import type { ChannelSettings, NewSubscription, Preferences } from './types.ts'

const OK: Reply = { status: 200 }
const HOUR_MS = 3_600_000
const PLAIN: Preferences = { channelId: null, timeZone: 'UTC', quietHours: null, digest: null, errorsAtOnce: true }

for (const database of DATABASES) {
  describe(`when and whether deliveries are made on ${database.name}`, () => {
    let opened: TestDatabase
    before(async () => {
      opened = await database.open()
    })

    /** Time stands still but for what the test does with it. It is 23:00 in UTC. */
    const scene = async (t: TestContext, options: TestOptions = {}) => {
      const clock = makeFakeClock(Date.UTC(2027, 5, 1, 23))
      const made = await makeTestNotifications(t, opened, { clock, ...options })
      const { notifications, engine } = made
      const { tenantId } = engine
      const { channels } = notifications
      const hook = async (name: string, settings: Partial<ChannelSettings> = {}, ...replies: Reply[]) => {
        const receiver = await startReceiver(...(replies.length > 0 ? replies : [OK]))
        t.after(() => receiver.stop())
        const made = await channels.create(tenantId, null, { kind: 'webhook', name, url: receiver.url, settings })
        return { ...receiver, channelId: made.channel.id, secret: made.secret as string }
      }
      const subscribe = (channelId: string, more: Partial<NewSubscription> = {}) =>
        channels.subscribe(tenantId, { channelId, projectId: null, types: ['run.*'], severity: 'debug', ...more })
      const tell = (type: string, target = 'x') => made.tell(type, { atMs: clock.now(), data: { target } })
      /** Lets the outbox gather meanwhile, and no more: 5 ms for each look. */
      const soon = <T>(look: () => T | Promise<T>, what: string) =>
        until(what, () => {
          clock.advance(5)
          return look()
        })
      /** The reference library looks at the time: ours. */
      const verified = (secret: string, call: Received) => {
        t.mock.timers.enable({ apis: ['Date'], now: clock.now() })
        try {
          return verify(secret, call)
        } finally {
          t.mock.timers.reset()
        }
      }
      const all = () => notifications.deliveries(tenantId, { limit: 100 })
      return { ...made, clock, tenantId, channels, hook, subscribe, tell, soon, all, verified }
    }
    const typesOf = (received: readonly { body: string }[]) =>
      received.map(({ body }) => (JSON.parse(body) as { type: string }).type)

    test('events with the same key are told of once within the window, and again after it', async (t) => {
      const s = await scene(t)
      const { channel } = await s.channels.create(s.tenantId, null, { kind: 'inbox', name: 'inbox' })
      await s.subscribe(channel.id, { dedup: { key: '{{ type }}:{{ data.target }}', windowMs: 60_000 } })
      await s.notifications.start()
      for (const target of ['a', 'a', 'b', 'a']) await s.tell('run.failed', target)
      const targets = async () => {
        const items = await s.notifications.inbox.items(s.tenantId, { limit: 10 })
        return items.map(({ message }) => (JSON.parse(message) as { data: { target: string } }).data.target).reverse()
      }
      const got = (count: number) =>
        s.soon(async () => ((await targets()).length >= count ? targets() : undefined), `${count} items`)
      assert.deepEqual(await got(2), ['a', 'b'])
      await s.tell('run.failed', 'a')
      await s.tell('run.failed', 'c')
      assert.deepEqual(await got(3), ['a', 'b', 'c'])
      s.clock.advance(60_000)
      await s.tell('run.failed', 'a')
      assert.deepEqual(await got(4), ['a', 'b', 'c', 'a'])
    })

    test('the window of a key is reckoned by when its events happened, however late they are read', async (t) => {
      const s = await scene(t)
      const { channel } = await s.channels.create(s.tenantId, null, { kind: 'inbox', name: 'inbox' })
      await s.subscribe(channel.id, { dedup: { key: '{{ type }}', windowMs: 60_000 } })
      for (const target of ['first', 'within', 'after', 'within']) {
        await s.tell('run.failed', target)
        s.clock.advance(40_000)
      }
      await s.notifications.start()
      const targets = async () => {
        const items = await s.notifications.inbox.items(s.tenantId, { limit: 10 })
        return items.map(({ message }) => (JSON.parse(message) as { data: { target: string } }).data.target).reverse()
      }
      await s.soon(async () => (await targets()).length > 1, 'two items')
      assert.deepEqual(await targets(), ['first', 'after'])
    })

    test('quiet hours hold back what is no error until they end; a restart in between loses nothing', async (t) => {
      const s = await scene(t)
      const hook = await s.hook('hook')
      await s.notifications.preferences.set(s.tenantId, 'ann', { ...PLAIN, quietHours: { from: '22:00', to: '07:00' } })
      await s.subscribe(hook.channelId, { memberId: 'ann' })
      await s.notifications.start()
      await s.tell('run.created')
      await s.tell('run.failed')
      await s.soon(() => hook.received[0], 'the error')
      assert.deepEqual(typesOf(hook.received), ['run.failed'])
      const held = (await s.all()).find(({ type }) => type === 'run.created')!
      assert.deepEqual([held.status, held.memberId, held.taskId], ['pending', 'ann', null])
      assert.equal(new Date(held.dueAtMs).toISOString(), '2027-06-02T07:00:00.000Z')

      await s.notifications.stop()
      const later = await makeTestNotifications(t, opened, { engine: s.engine, clock: s.clock })
      s.clock.advance(7 * HOUR_MS)
      await later.notifications.start()
      s.clock.advance(10_000)
      await new Promise((resolve) => setTimeout(resolve, 50))
      assert.equal(hook.received.length, 1)
      s.clock.advance(HOUR_MS)
      await s.soon(() => hook.received[1], 'the rest')
      assert.deepEqual(typesOf(hook.received), ['run.failed', 'run.created'])
    })

    test("a member's own channel comes before that of the subscription, as long as it is in use", async (t) => {
      const s = await scene(t)
      const [theirs, own] = [await s.hook('theirs'), await s.hook('own')]
      await s.subscribe(theirs.channelId, { memberId: 'ann' })
      await s.notifications.start()
      await s.tell('run.failed')
      await s.soon(() => theirs.received[0], 'without preferences')
      await s.notifications.preferences.set(s.tenantId, 'ann', { ...PLAIN, channelId: own.channelId })
      await s.tell('run.failed')
      await s.soon(() => own.received[0], 'through the own channel')
      await s.channels.disable(s.tenantId, own.channelId, 'away')
      await s.tell('run.failed')
      await s.soon(() => theirs.received[1], 'through the other one')
      assert.deepEqual([theirs.received.length, own.received.length], [2, 1])
    })

    test('a digest tells at its time, once, of all that came until then', async (t) => {
      const s = await scene(t)
      const hook = await s.hook('hook')
      await s.notifications.preferences.set(s.tenantId, 'ann', { ...PLAIN, digest: { every: 'hour' } })
      await s.subscribe(hook.channelId, { memberId: 'ann' })
      const other = await makeTestNotifications(t, opened, { engine: s.engine, clock: s.clock })
      await s.notifications.start()
      await other.notifications.start()
      const types = ['run.created', 'run.cancelled', 'run.completed']
      for (const type of types) await s.tell(type)
      await s.soon(async () => ((await s.all()).length === 3 ? true : undefined), 'the deliveries')
      assert.equal(hook.received.length, 0)
      s.clock.advance(HOUR_MS)
      const call = await s.soon(() => hook.received[0], 'the digest')
      const message = s.verified(hook.secret, call) as {
        type: string
        data: { count: number; items: { type: string }[] }
      }
      assert.deepEqual([message.type, message.data.count], ['notification.digest', 3])
      assert.deepEqual(
        message.data.items.map(({ type }) => type),
        types,
      )
      const [digest, ...held] = await s.soon(async () => {
        const found = await s.all()
        return found.every(({ status }) => status !== 'pending') ? found : undefined
      }, 'the end')
      assert.deepEqual([digest!.cause, digest!.status], ['digest', 'delivered'])
      assert.deepEqual(
        held.map(({ status, digestId }) => [status, digestId]),
        Array(3).fill(['digested', digest!.id]),
      )
      s.clock.advance(HOUR_MS)
      await s.tell('run.created')
      await s.soon(async () => (await s.all()).length === 5, 'the next delivery')
      s.clock.advance(HOUR_MS)
      await s.soon(() => hook.received.length > 1, 'the next digest')
      const counts = hook.received.map(({ body }) => (JSON.parse(body) as typeof message).data.count)
      assert.deepEqual(counts, [3, 1])
    })

    test('what waited for its time while nobody looked is spaced anew, not sent at once', async (t) => {
      const s = await scene(t)
      const hook = await s.hook('hook', { ratePerMinute: 6 })
      await s.subscribe(hook.channelId)
      const waiting = (count: number) =>
        s.soon(async () => {
          const slots = (await s.all()).filter(({ status }) => status === 'pending').map(({ slotAtMs }) => slotAtMs)
          return slots.length === count && !slots.includes(null) ? slots.map(Number).sort() : undefined
        }, `${count} that wait for their time`)
      await s.notifications.start()
      for (let i = 0; i < 5; i++) await s.tell('run.failed', String(i))
      await waiting(4)
      await s.notifications.stop()
      s.clock.advance(HOUR_MS)
      const backAtMs = s.clock.now()
      await s.notifications.start()
      await s.soon(() => hook.received[1], 'the first of those that waited')
      const slots = await waiting(3)
      assert.ok(slots[0]! >= backAtMs + 10_000, `${slots[0]! - backAtMs} ms`)
      assert.deepEqual([slots[1]! - slots[0]!, slots[2]! - slots[1]!], [10_000, 10_000])
      assert.equal(hook.received.length, 2)
    })

    test('a rate limit spaces the calls of its channel, without counting a try', async (t) => {
      const s = await scene(t)
      const hook = await s.hook('hook', { ratePerMinute: 6 })
      const free = await s.hook('free')
      for (const { channelId } of [hook, free]) await s.subscribe(channelId)
      await s.notifications.start()
      for (let i = 0; i < 3; i++) await s.tell('run.failed', String(i))
      await s.soon(() => free.received[2], 'those without a limit')
      const waiting = await s.soon(async () => {
        const found = (await s.notifications.deliveries(s.tenantId, { channelId: hook.channelId, limit: 9 })).filter(
          ({ status, slotAtMs }) => status === 'pending' && slotAtMs !== null,
        )
        return found.length === 2 ? found : undefined
      }, 'two that wait for their time')
      assert.equal(hook.received.length, 1)
      const [one, two] = waiting.map(({ dueAtMs }) => dueAtMs).sort()
      assert.equal(two! - one!, 10_000)
      for (const count of [2, 3]) {
        s.clock.advance(9000)
        await new Promise((resolve) => setTimeout(resolve, 30))
        assert.equal(hook.received.length, count - 1)
        s.clock.advance(1000)
        await s.soon(() => hook.received[count - 1], `call ${count}`)
      }
      const done = await s.soon(async () => {
        const found = await s.notifications.deliveries(s.tenantId, { channelId: hook.channelId, limit: 9 })
        return found.every(({ status }) => status === 'delivered') ? found : undefined
      }, 'the end')
      assert.deepEqual(
        done.map(({ tries }) => tries),
        [0, 0, 0],
      )
      for (const { id } of done) assert.equal((await s.notifications.attempts(s.tenantId, id)).length, 1)
    })

    test('a webhook in the CloudEvents form is signed like any other', async (t) => {
      const s = await scene(t)
      const hook = await s.hook('hook', { envelope: 'cloudevents' })
      await s.subscribe(hook.channelId)
      await s.notifications.start()
      await s.tell('run.failed', 'workflow:refund')
      const call = await s.soon(() => hook.received[0], 'the call')
      const event = s.verified(hook.secret, call) as { specversion: string; type: string; id: string; data: unknown }
      assert.match(String(call.headers['content-type']), /^application\/cloudevents\+json/)
      assert.deepEqual(
        [event.specversion, event.type, event.id],
        ['1.0', 'aidos.run.failed', call.headers['webhook-id']],
      )
    })
  })
}

test('a task that follows another one goes on with the tries and the waits where that left off', () => {
  const { attempts, delay } = retryAfter(DELIVERY_RETRY, 3)
  assert.deepEqual([attempts, delay], [14, 40_000])
  assert.deepEqual(retryAfter(DELIVERY_RETRY, 0), DELIVERY_RETRY)
  const last = retryAfter(DELIVERY_RETRY, 30)
  assert.deepEqual([last.attempts, last.delay], [1, 86_400_000])
})
