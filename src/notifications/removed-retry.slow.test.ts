import assert from 'node:assert/strict'
import test, { before, describe } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { DATABASES, type TestDatabase } from '../../test/support/databases.ts'
import { makeTestNotifications, startReceiver } from '../../test/support/notifications.ts'
import { until } from '../../test/support/until.ts'

for (const database of DATABASES) {
  describe(`a member who is removed on ${database.name}`, () => {
    let opened: TestDatabase
    before(async () => {
      opened = await database.open()
    })

    test('is not told any more of what failed before and was to be tried again', async (t) => {
      const receiver = await startReceiver({ status: 500 }, { status: 200 })
      t.after(() => receiver.stop())
      const { notifications, engine, tell } = await makeTestNotifications(t, opened, {
        retry: { attempts: 3, backoff: 'constant', delay: 1500 },
      })
      const { tenantId } = engine
      const hook = { kind: 'webhook', name: 'hook', url: receiver.url } as const
      const { channel } = await notifications.channels.create(tenantId, null, hook)
      await notifications.channels.subscribe(tenantId, {
        ...{ channelId: channel.id, projectId: null, types: ['run.failed'], severity: 'debug', memberId: 'ann' },
      })
      await notifications.start()
      await tell('run.failed')
      const failed = async () =>
        (await notifications.deliveries(tenantId, { channelId: channel.id, limit: 5 })).find(({ tries }) => tries === 1)
      const { id } = await until('the first try', failed)
      await opened.db.transaction((tx) => notifications.forgetMember(tx, tenantId, 'ann', Date.now()))
      await sleep(2500)
      assert.equal(receiver.received.length, 1)
      assert.equal((await notifications.find(tenantId, id)).status, 'skipped')
    })
  })
}
