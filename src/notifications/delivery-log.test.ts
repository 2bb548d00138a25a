import assert from 'node:assert/strict'
import test, { before, describe } from 'node:test'
import { DATABASES, type TestDatabase } from '../../test/support/databases.ts'
import { makeTestNotifications, startReceiver, verify } from '../../test/support/notifications.ts'
import { until } from '../../test/support/until.ts'

for (const database of DATABASES) {
  describe(`the delivery log on ${database.name}`, () => {
    let opened: TestDatabase
    before(async () => {
      opened = await database.open()
    })

    test('keeps a call whose text holds a NUL, or tells of one, as it was', async (t) => {
      const receiver = await startReceiver({ status: 200 })
      t.after(() => receiver.stop())
      const { notifications, engine, tell } = await makeTestNotifications(t, opened)
      const { tenantId } = engine
      const hook = { kind: 'webhook', name: 'hook', url: receiver.url } as const
      const { channel, secret } = await notifications.channels.create(tenantId, null, hook)
      await notifications.channels.subscribe(tenantId, {
        ...{ channelId: channel.id, projectId: null, types: ['run.*'], severity: 'warning' },
      })
      await notifications.start()
      // The second is how PostgreSQL itself words it.
      const messages = ['a NUL: \u0000"x', 'unsupported Unicode escape sequence: \\u0000 cannot be converted to text']
      for (const message of messages)
        await tell('run.failed', { data: { durationMs: 5, error: { code: 'oops', message } } })
      const deliveries = await until('both', async () => {
        const found = await notifications.deliveries(tenantId, {
          channelId: channel.id,
          status: 'delivered',
          limit: 10,
        })
        return found.length === 2 ? found : undefined
      })
      for (const [i, delivery] of deliveries.reverse().entries()) {
        const [attempt] = await notifications.attempts(tenantId, delivery.id)
        const { body } = JSON.parse(attempt!.request as string) as { body: string }
        assert.equal(body, delivery.message)
        const { data } = JSON.parse(body) as { data: { error: { message: string } } }
        assert.equal(data.error.message, messages[i])
      }
      for (const call of receiver.received) verify(secret as string, call)
    })
  })
}
