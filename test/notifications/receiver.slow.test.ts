/** Webhooks against a receiver in a process of its own, which verifies with the reference library and answers as it is told. */
import assert from 'node:assert/strict'
import test, { before, describe, type TestContext } from 'node:test'
import type { Delivery } from '../../src/notifications/types.ts'
import { wholeFile } from '../support/cleanup.ts'
import { DATABASES, type TestDatabase } from '../support/databases.ts'
import { makeTestNotifications, type TestOptions } from '../support/notifications.ts'
import { until } from '../support/until.ts'
import { type ReceiverProcess, startReceiverProcess } from './receiver.ts'
import type { Reply, Script } from './receiver-process.ts'

const OK: Reply = { status: 200 }

for (const database of DATABASES) {
  describe(`webhooks to another process on ${database.name}`, () => {
    let opened: TestDatabase
    let receiver: ReceiverProcess
    before(async () => {
      opened = await database.open()
      receiver = await startReceiverProcess(wholeFile)
    })
    let count = 0

    const scene = async (t: TestContext, replies: Script['replies'], options: TestOptions = {}) => {
      // The one port is allowed, and nothing else of this machine.
      const made = await makeTestNotifications(t, opened, { allow: [`127.0.0.1:${receiver.port}`], ...options })
      const { notifications, engine } = made
      const { tenantId } = engine
      const name = `${database.name}-${++count}`
      const request = { kind: 'webhook', name, url: receiver.urlOf(name) } as const
      const { channel, secret } = await notifications.channels.create(tenantId, null, request)
      await receiver.script(name, { secret: secret as string, replies })
      const what = { channelId: channel.id, projectId: null, types: ['run.failed'], severity: 'debug' } as const
      await notifications.channels.subscribe(tenantId, what)
      await notifications.start()
      await made.tell('run.failed')
      const ended = () =>
        until('the end of the delivery', async () => {
          const [delivery] = await notifications.deliveries(tenantId, { limit: 1 })
          return delivery && delivery.status !== 'pending' ? delivery : undefined
        })
      const codes = async ({ id }: Delivery) =>
        (await notifications.attempts(tenantId, id)).map(({ statusCode }) => statusCode)
      const calls = async (of = name) => (await receiver.calls(of)).calls
      return { ...made, tenantId, name, channel, secret: secret as string, ended, codes, calls }
    }
    type Scene = Awaited<ReturnType<typeof scene>>

    /** All verified by the reference library, and all with one id. */
    const checkCalls = async (s: Scene, delivery: Delivery, expected: number) => {
      const calls = await s.calls()
      assert.deepEqual(
        calls.map(({ id, isVerified }) => [id, isVerified]),
        Array(expected).fill([delivery.messageId, true]),
      )
      return calls
    }

    test('200: received once, verified', async (t) => {
      const s = await scene(t, [OK])
      const delivery = await s.ended()
      assert.equal(delivery.status, 'delivered')
      await checkCalls(s, delivery, 1)
    })

    test('500: tried again with the same id, until it is delivered', async (t) => {
      const s = await scene(t, [{ status: 500 }, { status: 503 }, OK])
      const delivery = await s.ended()
      assert.equal(delivery.status, 'delivered')
      assert.deepEqual(await s.codes(delivery), [500, 503, 200])
      await checkCalls(s, delivery, 3)
    })

    test('429 with Retry-After: not called again before that', async (t) => {
      const s = await scene(t, [{ status: 429, headers: { 'retry-after': '1' } }, OK])
      const delivery = await s.ended()
      assert.equal(delivery.status, 'delivered')
      const [first, second] = await checkCalls(s, delivery, 2)
      assert.ok(second!.atMs - first!.atMs >= 990, `${second!.atMs - first!.atMs} ms`)
    })

    test('410: not called again, and the channel is disabled', async (t) => {
      const s = await scene(t, [{ status: 410 }, OK])
      const delivery = await s.ended()
      assert.match(delivery.error as string, /^delivery_gone/)
      await checkCalls(s, delivery, 1)
      assert.equal((await s.notifications.channels.find(s.tenantId, s.channel.id)).status, 'disabled')
      await s.tell('run.failed')
      await new Promise((resolve) => setTimeout(resolve, 100))
      assert.equal((await s.calls()).length, 1)
    })

    test('slow: given up when the time is over, and tried again', async (t) => {
      const s = await scene(t, ['hang', OK], { timeoutMs: 3000 })
      const delivery = await s.ended()
      assert.equal(delivery.status, 'delivered')
      assert.deepEqual(await s.codes(delivery), [null, 200])
      await checkCalls(s, delivery, 2)
    })

    for (const target of ['another path', 'an internal address']) {
      test(`a redirect to ${target} is a failure and is not followed`, async (t) => {
        const other = `${database.name}-target-of-${count}`
        await receiver.script(other, { secret: 'whsec_AAAA', replies: [OK] })
        const location = target === 'another path' ? receiver.urlOf(other) : 'http://169.254.169.254/latest/meta-data'
        const s = await scene(t, [{ status: 307, headers: { location } }])
        const delivery = await s.ended()
        assert.equal(delivery.status, 'failed')
        assert.match(delivery.error as string, /answered 307; redirects are not followed/)
        await checkCalls(s, delivery, 3)
        assert.deepEqual(await s.calls(other), [])
      })
    }

    test('a receiver at an internal address is not called', async (t) => {
      const s = await scene(t, [OK], { allow: ['127.0.0.1:1'] })
      const delivery = await s.ended()
      assert.match(delivery.error as string, /^outbound_blocked/)
      assert.deepEqual(await s.calls(), [])
    })

    test('while a secret changes, receivers with the old and with the new one both verify', async (t) => {
      const s = await scene(t, [OK])
      await s.ended()
      const rotated = await s.notifications.channels.rotate(s.tenantId, s.channel.id, 60_000)
      for (const secret of [s.secret, rotated.secret as string]) {
        await receiver.script(s.name, { secret, replies: [OK] })
        const before = (await s.calls()).length
        await s.notifications.test(s.tenantId, s.channel.id)
        const calls = await until('the test', async () => {
          const found = await s.calls()
          return found.length > before ? found : undefined
        })
        assert.equal(calls.at(-1)!.isVerified, true)
      }
      const last = await s.notifications.channels.rotate(s.tenantId, s.channel.id, 0)
      assert.notEqual(last.secret, rotated.secret)
      await s.notifications.test(s.tenantId, s.channel.id)
      const refused = await until('the refusal', async () => (await s.calls()).find(({ isVerified }) => !isVerified))
      assert.equal(refused.type, 'notification.test')
    })

    test('a receiver that is killed and comes back gets what it missed', async (t) => {
      const own = await startReceiverProcess(t)
      const options = { allow: ['127.0.0.1'], retry: { attempts: 40, backoff: 'constant', delay: 100 } } as const
      const made = await makeTestNotifications(t, opened, options)
      const { notifications, engine } = made
      const { tenantId } = engine
      const request = { kind: 'webhook', name: 'back', url: own.urlOf('back') } as const
      const { channel, secret } = await notifications.channels.create(tenantId, null, request)
      const what = { channelId: channel.id, projectId: null, types: ['run.failed'], severity: 'debug' } as const
      await notifications.channels.subscribe(tenantId, what)
      own.process.kill('SIGKILL')
      await own.process.exited
      await notifications.start()
      await made.tell('run.failed')
      const attempts = async () => {
        const [delivery] = await notifications.deliveries(tenantId, { limit: 1 })
        return delivery ? notifications.attempts(tenantId, delivery.id) : []
      }
      await until('two tries in vain', async () => (await attempts()).length >= 2)
      const again = await startReceiverProcess(t, own.port)
      await again.script('back', { secret: secret as string, replies: [OK] })
      const call = await until('the call', async () => (await again.calls('back')).calls[0])
      assert.equal(call.isVerified, true)
    })
  })
}
