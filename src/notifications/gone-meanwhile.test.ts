import assert from 'node:assert/strict'
import test, { before, describe } from 'node:test'
import { DATABASES, type TestDatabase } from '../../test/support/databases.ts'
import { makeTestNotifications, startReceiver } from '../../test/support/notifications.ts'
import { until } from '../../test/support/until.ts'

for (const database of DATABASES) {
  describe(`410 of an address that was changed meanwhile, on ${database.name}`, () => {
    let opened: TestDatabase
    before(async () => {
      opened = await database.open()
    })

    test('does not disable the channel, and the new address gets the delivery', async (t) => {
      const [old, current] = [await startReceiver({ status: 410, delayMs: 500 }), await startReceiver({ status: 200 })]
      t.after(() => old.stop())
      t.after(() => current.stop())
      const { notifications, engine, tell } = await makeTestNotifications(t, opened)
      const { tenantId } = engine
      const hook = { kind: 'webhook', name: 'hook', url: old.url } as const
      const { channel } = await notifications.channels.create(tenantId, null, hook)
      await notifications.channels.subscribe(tenantId, {
        ...{ channelId: channel.id, projectId: null, types: ['run.*'], severity: 'warning' },
      })
      await notifications.start()
      await tell('run.failed')
      await until('the call', async () => (old.received.length > 0 ? true : undefined))
      await notifications.channels.update(tenantId, channel.id, { url: current.url })
      const ended = await until('the end', async () => {
        const [delivery] = await notifications.deliveries(tenantId, { channelId: channel.id, limit: 10 })
        return delivery && delivery.status !== 'pending' ? delivery : undefined
      })
      assert.deepEqual([ended.status, ended.error], ['delivered', null])
      assert.equal((await notifications.channels.find(tenantId, channel.id)).status, 'active')
      assert.equal(current.received[0]?.headers['webhook-id'], ended.messageId)
    })
  })
}
