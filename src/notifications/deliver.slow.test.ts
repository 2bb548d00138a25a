import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import test, { before, describe, type TestContext } from 'node:test'
import { DATABASES, type TestDatabase } from '../../test/support/databases.ts'
import {
  makeTestNotifications,
  type Receiver,
  type Reply,
  startReceiver,
  type TestNotifications,
  type TestOptions,
  verify,
} from '../../test/support/notifications.ts'
import { until } from '../../test/support/until.ts'
import { backoffMs, compileRetry } from '../engine/retry.ts'
import { DELIVERY_RETRY } from './service.ts'
import type { Channel, Delivery } from './types.ts'

const OK: Reply = { status: 200, body: 'thanks' }

interface Scene extends TestNotifications {
  readonly receiver: Receiver
  readonly channel: Channel
  readonly secret: string
  /** The only delivery, once it has ended. */
  ended(): Promise<Delivery>
}

for (const database of DATABASES) {
  describe(`deliveries on ${database.name}`, () => {
    let opened: TestDatabase
    before(async () => {
      opened = await database.open()
    })

    const scene = async (t: TestContext, replies: Reply[], options: TestOptions = {}): Promise<Scene> => {
      const receiver = await startReceiver(...replies)
      t.after(() => receiver.stop())
      const made = await makeTestNotifications(t, opened, options)
      const { notifications, engine } = made
      const { tenantId } = engine
      const { channel, secret } = await notifications.channels.create(tenantId, null, {
        kind: 'webhook',
        name: 'hook',
        url: receiver.url,
      })
      const what = { channelId: channel.id, projectId: null, types: ['run.*'], severity: 'warning' } as const
      await notifications.channels.subscribe(tenantId, what)
      await notifications.start()
      const ended = () =>
        until('the end of the delivery', async () => {
          const [delivery, ...more] = await notifications.deliveries(tenantId, { channelId: channel.id, limit: 10 })
          assert.deepEqual(more, [])
          return delivery && delivery.status !== 'pending' ? delivery : undefined
        })
      return { ...made, receiver, channel, secret: secret as string, ended }
    }
    const attemptsOf = async ({ notifications, engine }: TestNotifications, delivery: Delivery) =>
      (await notifications.attempts(engine.tenantId, delivery.id)).map(({ statusCode, error }) => [statusCode, error])

    test('an event reaches its webhook once, signed, and the log keeps the call', async (t) => {
      const s = await scene(t, [OK])
      const runId = randomUUID()
      const beforeMs = Date.now()
      await s.tell('run.failed', { runId, projectId: 'p1' })
      const delivery = await s.ended()
      assert.equal(delivery.status, 'delivered')
      assert.equal(s.receiver.received.length, 1)
      const [call] = s.receiver.received
      const { eventId, timestamp, ...message } = verify(s.secret, call!)
      assert.equal(typeof eventId, 'number')
      const atMs = Date.parse(timestamp as string)
      assert.ok(atMs >= beforeMs && atMs <= Date.now(), `${timestamp}`)
      const data = { durationMs: 5, error: { code: 'oops', message: 'it broke' } }
      assert.deepEqual(message, { type: 'run.failed', projectId: 'p1', runId, taskId: null, data })
      assert.equal(call!.headers['content-type'], 'application/json')
      assert.equal(call!.headers['webhook-id'], delivery.messageId)
      const [attempt] = await s.notifications.attempts(s.engine.tenantId, delivery.id)
      assert.deepEqual([attempt!.statusCode, attempt!.response, attempt!.error], [200, 'thanks', null])
      const task = await s.engine.tasks.find(s.engine.tenantId, delivery.taskId as string)
      assert.deepEqual([task.partition, task.kind], ['notifications', 'notification:deliver'])
    })

    test('500, then 200: tried again with the same id, and delivered', async (t) => {
      const s = await scene(t, [{ status: 500, body: 'sorry' }, OK])
      await s.tell('run.failed')
      const delivery = await s.ended()
      assert.deepEqual([delivery.status, delivery.error], ['delivered', null])
      const refused = [500, 'delivery_refused: the receiver answered 500']
      assert.deepEqual(await attemptsOf(s, delivery), [refused, [200, null]])
      const ids = s.receiver.received.map((call) => {
        verify(s.secret, call)
        return call.headers['webhook-id']
      })
      assert.deepEqual(ids, [delivery.messageId, delivery.messageId])
    })

    test('500 for ever: failed after the last attempt, a dead letter, and delivered when redriven', async (t) => {
      const bad: Reply = { status: 500 }
      const s = await scene(t, [bad, bad, bad, OK])
      await s.tell('run.failed')
      const delivery = await s.ended()
      assert.equal(delivery.status, 'failed')
      assert.match(delivery.error as string, /delivery_refused: the receiver answered 500/)
      assert.equal(s.receiver.received.length, 3)
      const { tenantId, tasks } = { ...s.engine }
      const letters = await tasks.tasks.deadLetters(tenantId, { status: 'dead', limit: 10 })
      assert.deepEqual(
        letters.map(({ taskId, reason }) => [taskId, reason]),
        [[delivery.taskId, 'attempts_used_up']],
      )
      await tasks.redrive(tenantId, letters[0]!.id)
      await until('delivered', async () => (await s.notifications.find(tenantId, delivery.id)).status === 'delivered')
      assert.equal(s.receiver.received.length, 4)
    })

    test('429 with Retry-After: not tried again before that', async (t) => {
      const s = await scene(t, [{ status: 429, headers: { 'retry-after': '1' } }, OK])
      await s.tell('run.failed')
      assert.equal((await s.ended()).status, 'delivered')
      const [first, second] = s.receiver.received
      assert.ok(second!.atMs - first!.atMs >= 990, `${second!.atMs - first!.atMs} ms`)
    })

    test('410: not tried again, and the channel is disabled until somebody enables it', async (t) => {
      const s = await scene(t, [{ status: 410 }, OK])
      const { tenantId } = s.engine
      await s.tell('run.failed')
      const delivery = await s.ended()
      assert.equal(delivery.status, 'failed')
      assert.match(delivery.error as string, /^delivery_gone/)
      const channel = await s.notifications.channels.find(tenantId, s.channel.id)
      assert.deepEqual([channel.status, channel.reason], ['disabled', 'the receiver answered 410: it is gone'])
      await assert.rejects(s.notifications.test(tenantId, s.channel.id), { code: 'channel_disabled' })
      await assert.rejects(s.notifications.replay(tenantId, delivery.id), { code: 'channel_disabled' })
      await s.notifications.channels.enable(tenantId, s.channel.id)
      await s.notifications.test(tenantId, s.channel.id)
      await until('the test', () => s.receiver.received.length === 2)
      assert.equal(verify(s.secret, s.receiver.received[1]!).type, 'notification.test')
    })

    test('a delivery whose channel is disabled before its turn is skipped', async (t) => {
      const later: TestOptions = {
        createTask: (request) => s.engine.tasks.create({ ...request, runAtMs: Date.now() + 200 }),
      }
      const s = await scene(t, [OK], later)
      const { tenantId } = s.engine
      await s.tell('run.failed')
      await until('the delivery', async () => (await s.notifications.deliveries(tenantId, { limit: 1 })).length === 1)
      await s.notifications.channels.disable(tenantId, s.channel.id, 'enough')
      const delivery = await s.ended()
      assert.deepEqual([delivery.status, delivery.error], ['skipped', 'the channel is disabled'])
      assert.equal(s.receiver.received.length, 0)
    })

    test('a redirect is no success and is not followed', async (t) => {
      const other = await startReceiver(OK)
      t.after(() => other.stop())
      const s = await scene(t, [{ status: 302, headers: { location: other.url } }])
      await s.tell('run.failed')
      const delivery = await s.ended()
      assert.equal(delivery.status, 'failed')
      assert.match(delivery.error as string, /answered 302; redirects are not followed/)
      assert.deepEqual([s.receiver.received.length, other.received.length], [3, 0])
    })

    test('a receiver that is too slow counts as failed, and is tried again', async (t) => {
      const s = await scene(t, [{ status: 200, delayMs: 30_000 }, OK], { timeoutMs: 3000 })
      await s.tell('run.failed')
      const delivery = await s.ended()
      assert.equal(delivery.status, 'delivered')
      const [first, second] = await attemptsOf(s, delivery)
      assert.match(String(first![1]), /^outbound_timeout: .* did not answer within 3000 ms/)
      assert.deepEqual([first![0], second], [null, [200, null]])
    })

    test('a body of any size after a 200 does not undo it', async (t) => {
      const s = await scene(t, [{ status: 200, body: `\u0000${'x'.repeat(500_000)}` }])
      await s.tell('run.failed')
      const delivery = await s.ended()
      assert.equal(delivery.status, 'delivered')
      const [attempt] = await s.notifications.attempts(s.engine.tenantId, delivery.id)
      assert.equal(attempt!.response, 'x'.repeat(2000))
      assert.equal(s.receiver.received.length, 1)
    })

    test('an internal address is refused at once, and the receiver sees nothing', async (t) => {
      const s = await scene(t, [OK], { allow: [] })
      await s.tell('run.failed')
      const delivery = await s.ended()
      assert.equal(delivery.status, 'failed')
      assert.match(delivery.error as string, /^outbound_blocked/)
      assert.equal(s.receiver.received.length, 0)
      assert.equal((await s.notifications.attempts(s.engine.tenantId, delivery.id)).length, 1)
    })

    test('after a rotation both secrets sign until the old one has run out', async (t) => {
      const s = await scene(t, [OK])
      const { tenantId } = s.engine
      const rotated = await s.notifications.channels.rotate(tenantId, s.channel.id, 60_000)
      await s.tell('run.failed')
      await s.ended()
      for (const secret of [s.secret, rotated.secret as string]) verify(secret, s.receiver.received[0]!)
      const last = await s.notifications.channels.rotate(tenantId, s.channel.id, 0)
      await s.notifications.test(tenantId, s.channel.id)
      const call = await until('the test', () => s.receiver.received[1])
      verify(last.secret as string, call)
      for (const secret of [s.secret, rotated.secret as string]) assert.throws(() => verify(secret, call))
    })

    test('an attempt of a delivery that is delivered already makes no call', async (t) => {
      const s = await scene(t, [OK])
      await s.tell('run.failed')
      const delivery = await s.ended()
      const again = s.notifications.handler('notification:deliver')!(
        { deliveryId: delivery.id },
        {
          taskId: delivery.taskId as string,
          tenantId: s.engine.tenantId,
          projectId: null,
          attempt: 2,
          idempotencyKey: 'key',
          signal: new AbortController().signal,
          heartbeat() {},
        },
      )
      assert.deepEqual(await again, { status: 'delivered' })
      assert.equal(s.receiver.received.length, 1)
    })

    test('a receiver that fails again and again is left alone for a while, and told later', async (t) => {
      const s = await scene(t, [...Array<Reply>(5).fill({ status: 503 }), OK], {
        retry: { attempts: 12, backoff: 'constant', delay: 60 },
      })
      await s.tell('run.failed')
      const delivery = await s.ended()
      assert.equal(delivery.status, 'delivered')
      const [fifth, sixth] = s.receiver.received.slice(4)
      assert.ok(sixth!.atMs - fifth!.atMs >= 4900, `${sixth!.atMs - fifth!.atMs} ms`)
      assert.equal(s.receiver.received.length, 6)
    })

    test('replay sends again with the first id, one or a range', async (t) => {
      const s = await scene(t, [OK])
      const { tenantId } = s.engine
      await s.tell('run.failed')
      const first = await s.ended()
      const again = await s.notifications.replay(tenantId, first.id)
      assert.notEqual(again.id, first.id)
      await until('the replay', () => s.receiver.received.length === 2)
      await until('its end', async () => (await s.notifications.find(tenantId, again.id)).status === 'delivered')
      const range = { channelId: s.channel.id, status: 'delivered' } as const
      assert.equal(await s.notifications.replayMany(tenantId, { ...range, toMs: first.createdAtMs }), 0)
      assert.equal(await s.notifications.replayMany(tenantId, range), 1)
      await until('the range', () => s.receiver.received.length === 3)
      const ids = new Set(s.receiver.received.map(({ headers }) => headers['webhook-id']))
      assert.deepEqual([...ids], [first.messageId])
      for (const call of s.receiver.received) verify(s.secret, call)
    })

    test('Slack gets a text, with its markup made harmless', async (t) => {
      const s = await scene(t, [OK])
      const { tenantId } = s.engine
      const slack = await startReceiver(OK)
      t.after(() => slack.stop())
      const request = { kind: 'slack', name: 'slack', url: slack.url } as const
      const { channel } = await s.notifications.channels.create(tenantId, null, request)
      const what = { channelId: channel.id, projectId: null, types: ['run.failed'], severity: 'debug' } as const
      await s.notifications.channels.subscribe(tenantId, what)
      await s.tell('run.failed', { runId: 'r1', data: { error: { code: 'a', message: '<!channel> & co' } } })
      const { body, headers } = await until('the message', () => slack.received[0])
      assert.deepEqual(JSON.parse(body), {
        text: 'run.failed: A run failed. a: &lt;!channel&gt; &amp; co\nrun r1',
      })
      assert.equal(headers['webhook-signature'], undefined)
    })
  })
}

test('the waits between tries go from 5 s to 24 h, with jitter', () => {
  const retry = compileRetry(DELIVERY_RETRY, 3)
  const waits = (random: number) =>
    Array.from({ length: retry.attempts - 1 }, (_, i) => backoffMs(retry, i + 1, () => random))
  assert.deepEqual(waits(0.5).slice(0, 4), [5000, 10_000, 20_000, 40_000])
  assert.equal(waits(0.5).at(-1), 86_400_000)
  assert.deepEqual([waits(0)[0], waits(1)[0]], [4500, 5500])
  assert.ok(Math.max(...waits(1)) <= 1.1 * 86_400_000)
})
