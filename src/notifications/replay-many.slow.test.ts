import assert from 'node:assert/strict'
import test, { before, describe } from 'node:test'
import { DATABASES, type TestDatabase } from '../../test/support/databases.ts'
import { makeTestNotifications, startReceiver } from '../../test/support/notifications.ts'
import { until } from '../../test/support/until.ts'
import { makeIdGenerator } from '../platform/ids.ts'
import { makeDeliveryRepository } from './repository-deliveries.ts'
import type { Delivery } from './types.ts'

for (const database of DATABASES) {
  describe(`a replay of a long range on ${database.name}`, () => {
    let opened: TestDatabase
    before(async () => {
      opened = await database.open()
    })

    test('is answered before each has its task, and all are sent', async (t) => {
      const receiver = await startReceiver({ status: 200 })
      t.after(() => receiver.stop())
      const { engine, notifications: first } = await makeTestNotifications(t, opened)
      const { tenantId } = engine
      let tasks = 0
      const { notifications } = await makeTestNotifications(t, opened, {
        engine,
        createTask: (request) => {
          tasks++
          return engine.tasks.create(request)
        },
      })
      const hook = { kind: 'webhook', name: 'hook', url: receiver.url } as const
      const { channel } = await first.channels.create(tenantId, null, hook)
      const sample = await first.test(tenantId, channel.id)
      const makeId = makeIdGenerator()
      const rows = Array.from({ length: 650 }, (_, i) => {
        const ended = { status: 'failed', finishedAtMs: 1, taskId: null } as const
        return {
          ...sample,
          ...ended,
          id: makeId(),
          messageId: `msg_${i}`,
          createdAtMs: sample.createdAtMs - 1000 - (i >> 3),
        }
      })
      await opened.db.transaction((tx) => makeDeliveryRepository(tx).addDeliveries(rows))
      assert.equal(await notifications.replayMany(tenantId, { channelId: channel.id, status: 'failed' }), 650)
      assert.ok(tasks <= 200, `${tasks} tasks`)
      await notifications.start()
      await until('all', async () => {
        const ids = receiver.received.map(({ headers }) => headers['webhook-id'])
        return new Set(ids).size === 651 ? true : undefined
      })
    })

    test('sends each message once, by the digest that told of it', async (t) => {
      const receiver = await startReceiver({ status: 200 })
      t.after(() => receiver.stop())
      const { engine, notifications } = await makeTestNotifications(t, opened)
      const { tenantId } = engine
      const hook = { kind: 'webhook', name: 'hook', url: receiver.url } as const
      const { channel } = await notifications.channels.create(tenantId, null, hook)
      const sample = await notifications.test(tenantId, channel.id)
      await until('the sample', () => receiver.received.length === 1)
      const makeId = makeIdGenerator()
      const createdAtMs = sample.createdAtMs - 1000
      const ended = { status: 'delivered', finishedAtMs: 1, taskId: null, createdAtMs } as const
      const row = (messageId: string, more: Partial<Delivery>) => ({
        ...sample,
        ...ended,
        ...more,
        ...{ id: makeId(), messageId },
      })
      const rows = [
        row('msg_plain', { cause: 'event' }),
        row('msg_plain', { cause: 'replay' }),
        row('msg_held', { cause: 'event', status: 'digested' }),
        row('msg_digest', { cause: 'digest' }),
      ]
      await opened.db.transaction((tx) => makeDeliveryRepository(tx).addDeliveries(rows))
      const range = { channelId: channel.id, toMs: createdAtMs + 1 }
      const sent = () => receiver.received.map(({ headers }) => headers['webhook-id']).slice(1)
      assert.equal(await notifications.replayMany(tenantId, range), 2)
      await until('both', () => sent().length === 2)
      assert.deepEqual(sent().sort(), ['msg_digest', 'msg_plain'])
      assert.equal(await notifications.replayMany(tenantId, { ...range, status: 'digested' }), 1)
      await until('what was held', () => sent().length === 3)
      assert.equal(sent().at(-1), 'msg_held')
    })
  })
}
