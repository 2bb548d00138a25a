import assert from 'node:assert/strict'
import test, { before, describe } from 'node:test'
import { DATABASES, type TestDatabase } from '../../test/support/databases.ts'
import { makeTestNotifications, startReceiver } from '../../test/support/notifications.ts'
import { until } from '../../test/support/until.ts'
import { makeIdGenerator } from '../platform/ids.ts'
import { makeDeliveryRepository } from './repository-deliveries.ts'

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
  })
}
