import assert from 'node:assert/strict'
import { randomBytes, randomUUID } from 'node:crypto'
import test, { before, describe, type TestContext } from 'node:test'
import { DATABASES, type TestDatabase } from '../../test/support/databases.ts'
import {
  makeTestNotifications,
  startReceiver,
  type TestNotifications,
  type TestOptions,
} from '../../test/support/notifications.ts'
import { until } from '../../test/support/until.ts'
import { makeFakeClock } from '../platform/clock.ts'
import type { Handle } from '../platform/db/database.ts'
import { makeEventLog } from '../platform/events/log.ts'
import { writeEvent } from '../platform/events/write.ts'
import type { NewSubscription } from './types.ts'

for (const database of DATABASES) {
  describe(`outbox on ${database.name}`, () => {
    let opened: TestDatabase
    before(async () => {
      opened = await database.open()
    })

    interface Scene extends TestNotifications {
      readonly tenantId: string
      readonly channelId: string
      titles(): Promise<string[]>
    }
    const subscribeTo = (
      { notifications, engine }: TestNotifications,
      what: Partial<NewSubscription> & { channelId: string },
    ) =>
      notifications.channels.subscribe(engine.tenantId, { projectId: null, types: ['*'], severity: 'debug', ...what })

    /** With an inbox; not started. */
    const scene = async (t: TestContext, options: TestOptions = {}): Promise<Scene> => {
      const made = await makeTestNotifications(t, opened, options)
      const { tenantId } = made.engine
      const { channel } = await made.notifications.channels.create(tenantId, null, { kind: 'inbox', name: 'inbox' })
      const titles = async () =>
        (await made.notifications.inbox.items(tenantId, { limit: 500 })).map(({ type }) => type).reverse()
      return { ...made, tenantId, channelId: channel.id, titles }
    }
    const got = (s: Scene, count: number) =>
      until(`${count} inbox items`, async () => {
        const types = await s.titles()
        return types.length >= count ? types : undefined
      })

    test('types, project and severity decide who is told', async (t) => {
      const s = await scene(t)
      await subscribeTo(s, { channelId: s.channelId, types: ['run.*'], severity: 'error', projectId: 'p1' })
      await s.notifications.start()
      await s.tell('run.failed')
      await s.tell('run.failed', { projectId: 'p2' })
      await s.tell('run.failed', { projectId: 'p1', tenantId: randomUUID() })
      await s.tell('run.completed', { projectId: 'p1' })
      await s.tell('task.dead', { projectId: 'p1' })
      await s.tell('run.timed_out', { projectId: 'p1' })
      assert.deepEqual(await got(s, 1), ['run.timed_out'])
    })

    test('a subscription is told of what happens after its making, in order', async (t) => {
      const s = await scene(t)
      await s.tell('run.failed', { atMs: Date.now() - 1000 })
      await subscribeTo(s, { channelId: s.channelId, types: ['*.failed', 'run.*'] })
      const types = ['run.created', 'run.started', 'task.failed', 'run.failed']
      for (const type of types) await s.tell(type)
      await s.notifications.start()
      assert.deepEqual(await got(s, 4), types)
    })

    test('more events than one page are all told of, once each, though the process stops in between', async (t) => {
      const s = await scene(t)
      await subscribeTo(s, { channelId: s.channelId, types: ['run.log'] })
      const count = 1300
      await Promise.all(Array.from({ length: count }, (_, i) => s.tell('run.log', { data: { message: String(i) } })))
      await s.notifications.start()
      await s.notifications.stop()
      await s.notifications.start()
      const unread = await until('all', async () => {
        const found = await s.notifications.inbox.unreadCount(s.tenantId)
        return found >= count ? found : undefined
      })
      assert.equal(unread, count)
      assert.equal(await s.notifications.inbox.setAllRead(s.tenantId), count)
      assert.equal(await s.notifications.inbox.unreadCount(s.tenantId), 0)
    })

    test('what many subscriptions fit is told in parts', async (t) => {
      const s = await scene(t)
      const [subscriptions, events] = [30, 100]
      for (let i = 0; i < subscriptions; i++) await subscribeTo(s, { channelId: s.channelId, types: ['run.log'] })
      for (let i = 0; i < events; i++) await s.tell('run.log', { data: { message: String(i) } })
      const { inbox } = s.notifications
      await s.notifications.start()
      const count = subscriptions * events
      await until('all', async () => (await inbox.unreadCount(s.tenantId)) === count)
      const parts = (await inbox.eventsAfter(s.tenantId, 0, 100)).map(({ data }) => (data.itemIds as string[]).length)
      // Each part was one transaction: up to 2000, with all that its last event asks for.
      assert.deepEqual(parts, [2010, 990])
    })

    test('two outboxes over one log tell of each event once', async (t) => {
      const s = await scene(t)
      const other = await makeTestNotifications(t, opened, { engine: s.engine })
      await subscribeTo(s, { channelId: s.channelId, types: ['run.log'] })
      await Promise.all([s.notifications.start(), other.notifications.start()])
      for (let i = 0; i < 40; i++) await s.tell('run.log', { data: { message: String(i) } })
      await got(s, 40)
      await new Promise((resolve) => setTimeout(resolve, 100))
      assert.equal((await s.titles()).length, 40)
    })

    test('an event of an everyday transaction, which nobody is woken by, is told of as well', async (t) => {
      const s = await scene(t)
      await subscribeTo(s, { channelId: s.channelId, types: ['agent.*'] })
      await s.notifications.start()
      const { tenantId } = s
      const event = { tenantId, projectId: null, runId: null, taskId: null, type: 'agent.paused', data: {} }
      await opened.db.transaction((tx) => writeEvent(tx as Handle, { ...event, atMs: Date.now() }))
      assert.deepEqual(await got(s, 1), ['agent.paused'])
    })

    test('an event that holds a NUL is told of like any other', async (t) => {
      const s = await scene(t)
      await subscribeTo(s, { channelId: s.channelId, types: ['run.failed'] })
      await s.notifications.start()
      await s.tell('run.failed', { data: { target: 'a\u0000b', error: { code: 'x', message: '\u0000' } } })
      await s.tell('run.failed')
      assert.equal((await got(s, 2)).length, 2)
    })

    test('a delivery whose task was not made before the process died gets it after the next start, once', async (t) => {
      const receiver = await startReceiver({ status: 200 })
      t.after(() => receiver.stop())
      // The process dies before the task is made, or after it is made but before that is noted.
      for (const isMade of [false, true]) {
        const made: string[] = []
        const before = receiver.received.length
        const first = await scene(t, {
          createTask: async (request) => {
            if (isMade) made.push((await first.engine.tasks.create({ ...request, runAtMs: Date.now() + 400 })).task.id)
            throw new Error('the process dies')
          },
        })
        const { tenantId, notifications } = first
        const hook = { kind: 'webhook', name: 'hook', url: receiver.url } as const
        const { channel } = await notifications.channels.create(tenantId, null, hook)
        await subscribeTo(first, { channelId: channel.id, types: ['run.failed'] })
        await notifications.start()
        await first.tell('run.failed')
        const look = async () => (await notifications.deliveries(tenantId, { channelId: channel.id, limit: 5 }))[0]
        const lost = await until('the delivery', look)
        if (isMade) await until('the task', () => made.length > 0)
        await notifications.stop()
        assert.equal((await look())!.taskId, null)

        const second = await makeTestNotifications(t, opened, { engine: first.engine })
        await second.notifications.start()
        const delivery = await until('the task', async () => {
          const found = await look()
          return found?.taskId ? found : undefined
        })
        assert.equal(delivery.id, lost.id)
        if (isMade) assert.deepEqual(made, [delivery.taskId])
        await second.notifications.stop()
        const ended = () => first.engine.tasks.find(tenantId, delivery.taskId as string)
        await until('the end of the task', async () => ['completed', 'dead'].includes((await ended()).status))
        assert.equal(receiver.received.length - before, 1)
        assert.equal((await look())!.status, 'delivered')
      }
    })

    test('a delivery whose task ended before it was known to be its own has failed', async (t) => {
      const made: string[] = []
      const first = await scene(t, {
        createTask: async (request) => {
          made.push((await first.engine.tasks.create({ ...request, runAtMs: Date.now() + 3_600_000 })).task.id)
          throw new Error('the process dies')
        },
      })
      const { tenantId, notifications } = first
      const hook = { kind: 'webhook', name: 'hook', url: 'http://127.0.0.1:9/' } as const
      const { channel } = await notifications.channels.create(tenantId, null, hook)
      await subscribeTo(first, { channelId: channel.id, types: ['run.failed'] })
      await notifications.start()
      const deliveries = () => notifications.deliveries(tenantId, { channelId: channel.id, limit: 5 })
      await first.tell('run.failed')
      await until('the task', () => made.length > 0)
      await first.engine.tasks.cancel(tenantId, made[0] as string)
      await first.tell('run.failed')
      await until('the outbox to have come that far', async () => (await deliveries()).length === 2)
      await notifications.stop()

      const second = await makeTestNotifications(t, opened, { engine: first.engine })
      await second.notifications.start()
      const delivery = await until('the task', async () =>
        (await deliveries()).find(({ taskId }) => taskId === made[0]),
      )
      assert.deepEqual([delivery.status, delivery.error], ['failed', 'cancelled'])
    })

    test('a delivery without a task gets one although the log gives page after page', async (t) => {
      // Its own, since the cursor goes far beyond what happens.
      const own = await database.open()
      const clock = makeFakeClock(Date.now())
      const event = { tenantId: randomUUID(), projectId: null, runId: null, taskId: null, type: 'run.log', data: {} }
      let isOver = false
      let isBroken = true
      const s = await makeTestNotifications(t, own, {
        clock,
        eventLog: {
          ...makeEventLog(own.db),
          async readAll(afterId, limit) {
            if (isOver) return []
            clock.advance(1000)
            return Array.from({ length: limit }, (_, i) => ({ ...event, id: afterId + 1 + i, atMs: clock.now() }))
          },
        },
        createTask: (request) => {
          if (isBroken) throw new Error('the database went away')
          return s.engine.tasks.create({ ...request, runAtMs: Date.now() + 3_600_000 })
        },
      })
      const hook = { kind: 'webhook', name: 'hook', url: 'http://127.0.0.1:9/' } as const
      const { tenantId } = s.engine
      const { channel } = await s.notifications.channels.create(tenantId, null, hook)
      await subscribeTo(s, { channelId: channel.id, types: ['run.failed'] })
      await s.notifications.start()
      t.after(() => {
        isOver = true
      })
      const { id } = await s.notifications.test(tenantId, channel.id)
      assert.equal((await s.notifications.find(tenantId, id)).taskId, null)
      isBroken = false
      await until('the task', async () => (await s.notifications.find(tenantId, id)).taskId !== null)
    })

    test('deliveries do not tell of themselves', async (t) => {
      const receiver = await startReceiver({ status: 200 })
      t.after(() => receiver.stop())
      const s = await scene(t)
      const hook = { kind: 'webhook', name: 'hook', url: receiver.url } as const
      const { channel } = await s.notifications.channels.create(s.tenantId, null, hook)
      // Within the same millisecond the making of the channel would be told of, too.
      await new Promise((resolve) => setTimeout(resolve, 5))
      await subscribeTo(s, { channelId: channel.id })
      await s.notifications.start()
      await until('the event of the subscription itself', () => receiver.received.length > 0)
      const { task } = await s.engine.tasks.create({
        ...{ tenantId: s.tenantId, projectId: null, kind: 'ok', input: null, priority: 3 },
      })
      const types = () => receiver.received.map(({ body }) => (JSON.parse(body) as { type: string }).type).sort()
      await until('the end of the task', () => types().includes('task.completed'))
      await new Promise((resolve) => setTimeout(resolve, 200))
      assert.deepEqual(types(), ['subscription.created', 'task.completed', 'task.started'])
      const bodies = receiver.received.map(({ body }) => JSON.parse(body) as { taskId: string | null })
      assert.deepEqual(new Set(bodies.map(({ taskId }) => taskId)), new Set([null, task.id]))
    })

    test('secrets do not lie open in the database, and cannot be opened under another key', async (t) => {
      const s = await scene(t)
      const { channels } = s.notifications
      const url = 'http://127.0.0.1:9/services/T0/B0/verysecret'
      const { secret } = await channels.create(s.tenantId, null, {
        kind: 'webhook',
        name: 'hook',
        url: 'https://example.org/',
      })
      const slack = await channels.create(s.tenantId, null, { kind: 'slack', name: 'slack', url })
      await channels.update(s.tenantId, slack.channel.id, { url: `${url}2` })
      const dump = JSON.stringify(await channels.list(s.tenantId, { limit: 10 }))
      const plain = Buffer.from((secret as string).slice('whsec_'.length), 'base64')
        .toString('base64')
        .slice(0, 20)
      for (const text of ['verysecret', plain]) assert.equal(dump.includes(text), false)
      const other = await makeTestNotifications(t, opened, { engine: s.engine, secretKey: randomBytes(32) })
      const deliver = other.notifications.handler('notification:deliver')!
      const delivery = await s.notifications.test(s.tenantId, slack.channel.id)
      const made = await s.notifications.find(s.tenantId, delivery.id)
      const call = {
        taskId: made.taskId as string,
        tenantId: s.tenantId,
        projectId: null,
        attempt: 1,
        idempotencyKey: 'k',
        heartbeat() {},
      }
      const signal = new AbortController().signal
      await assert.rejects(deliver({ deliveryId: delivery.id }, { ...call, signal }), { code: 'secret_unreadable' })
      const foreign = deliver({ deliveryId: delivery.id }, { ...call, signal, tenantId: randomUUID() })
      await assert.rejects(foreign, { code: 'delivery_unknown' })
    })
  })
}
