import assert from 'node:assert/strict'
import test, { before, describe } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { DATABASES, type TestDatabase } from '../../test/support/databases.ts'
import { makeTestNotifications } from '../../test/support/notifications.ts'
import { until } from '../../test/support/until.ts'

/** Takes some milliseconds, and stays within the limit on a rendering. */
const HEAVY = '{% for i in (1..40000) %}{% endfor %}{{ data.n }}'
const EVENTS = 150

for (const database of DATABASES) {
  describe(`templates that take long on ${database.name}`, () => {
    let opened: TestDatabase
    before(async () => {
      opened = await database.open()
    })

    test('leave others their turn while many events are taken in', async (t) => {
      const { notifications, engine, tell } = await makeTestNotifications(t, opened)
      const { tenantId } = engine
      const { channel } = await notifications.channels.create(tenantId, null, { kind: 'inbox', name: 'inbox' })
      const dedup = { key: HEAVY, windowMs: 60_000 }
      await notifications.channels.subscribe(tenantId, {
        ...{ channelId: channel.id, projectId: null, types: ['run.failed'], severity: 'debug', dedup },
      })
      for (let n = 0; n < EVENTS; n++) await tell('run.failed', { data: { n } })
      const startMs = performance.now()
      let [longestMs, lastMs] = [0, performance.now()]
      const look = (): void => {
        longestMs = Math.max(longestMs, performance.now() - lastMs)
        lastMs = performance.now()
      }
      const timer = setInterval(look, 1)
      await notifications.start()
      await until('all', async () => {
        await sleep(20)
        return (await notifications.inbox.unreadCount(tenantId)) === EVENTS ? true : undefined
      })
      clearInterval(timer)
      const allMs = performance.now() - startMs
      assert.ok(longestMs < allMs / 3, `held for ${longestMs} ms of ${allMs}`)
    })
  })
}
