import assert from 'node:assert/strict'
import test, { before, describe } from 'node:test'
import { DATABASES, type TestDatabase } from '../../test/support/databases.ts'
import { makeTestNotifications, startReceiver } from '../../test/support/notifications.ts'
import { until } from '../../test/support/until.ts'

for (const database of DATABASES) {
  describe(`a rate that is changed on ${database.name}`, () => {
    let opened: TestDatabase
    before(async () => {
      opened = await database.open()
    })

    const setUp = async (t: test.TestContext, ratePerMinute: number) => {
      const receiver = await startReceiver({ status: 200 })
      t.after(() => receiver.stop())
      const { notifications, engine } = await makeTestNotifications(t, opened)
      const { tenantId } = engine
      const hook = { kind: 'webhook', name: 'hook', url: receiver.url, settings: { ratePerMinute } } as const
      const { channel } = await notifications.channels.create(tenantId, null, hook)
      await notifications.start()
      for (let i = 0; i < 4; i++) await notifications.test(tenantId, channel.id)
      const waiting = async () => {
        const found = await notifications.deliveries(tenantId, { channelId: channel.id, status: 'pending', limit: 10 })
        return found.length === 3 && found.every(({ slotAtMs }) => slotAtMs !== null) ? found : undefined
      }
      await until('three that wait for their time', waiting)
      const change = (rate: number | null) =>
        notifications.channels.update(tenantId, channel.id, { settings: { ratePerMinute: rate } })
      return { receiver, waiting, change }
    }

    test('counts for what waits, too: without a limit it is sent', async (t) => {
      const { receiver, change } = await setUp(t, 1)
      assert.equal(receiver.received.length, 1)
      await change(null)
      await until('all', async () => (receiver.received.length === 4 ? true : undefined))
    })

    test('counts for what waits, too: a slower one spaces it further', async (t) => {
      const { waiting, change } = await setUp(t, 2)
      await change(1)
      await until('other times', async () => {
        const times = (await waiting())?.map(({ dueAtMs }) => dueAtMs).sort()
        return times?.every((ms, i) => i === 0 || ms - times[i - 1]! === 60_000) || undefined
      })
    })

    test('a change of something else leaves their times as they are', async (t) => {
      const { waiting, change } = await setUp(t, 2)
      const before = await waiting()
      await change(2)
      assert.deepEqual(await waiting(), before)
    })
  })
}
