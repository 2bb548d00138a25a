/** A member is removed in the very moment in which something is made for them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sql } from 'kysely'
import { makeBetween } from '../../test/support/between.ts'
import { DATABASES } from '../../test/support/databases.ts'
import { makeTestNotifications } from '../../test/support/notifications.ts'
import { until } from '../../test/support/until.ts'
import { makeFakeClock, systemClock } from '../platform/clock.ts'
import { decorateDatabase } from '../platform/db/database.ts'
import type { Preferences } from './types.ts'

const HOUR = 3_600_000
const HOURLY: Preferences = {
  channelId: null,
  timeZone: 'UTC',
  quietHours: null,
  digest: { every: 'hour' },
  errorsAtOnce: false,
}
const url = 'http://127.0.0.1:9/'

for (const database of DATABASES) {
  test(`notifications on ${database.name}: nothing is made for a member who is removed after the routes were read`, async (t) => {
    const opened = await database.open()
    const between = makeBetween(opened.db)
    let remove: (() => Promise<unknown>) | undefined
    const { notifications, engine, tell } = await makeTestNotifications(t, opened, {
      db: between.db,
      // Asked while deliveries are made: the next transaction is the one that keeps them.
      elapsed: () => {
        if (remove) between.meanwhile(remove)
        remove = undefined
        return performance.now()
      },
    })
    const { channels, inbox, forgetMember } = notifications
    const { tenantId } = engine
    const { channel } = await channels.create(tenantId, null, { kind: 'inbox', name: 'inbox' })
    const hook = await channels.create(tenantId, null, { kind: 'webhook', name: 'hook', url })
    const what = { projectId: null, types: ['run.failed'], severity: 'debug' } as const
    await channels.subscribe(tenantId, { ...what, channelId: channel.id, memberId: 'ann' })
    await channels.subscribe(tenantId, { ...what, channelId: hook.channel.id, memberId: 'ann' })
    await channels.subscribe(tenantId, { ...what, channelId: channel.id })
    remove = () => opened.db.transaction((tx) => forgetMember(tx, tenantId, 'ann', Date.now()))
    await tell('run.failed')
    await notifications.start()
    const items = () => inbox.items(tenantId, { limit: 10 })
    await until('the others to be told', async () => (await items()).length > 0)
    assert.equal(remove, undefined)
    assert.deepEqual(
      (await items()).map(({ memberId }) => memberId),
      [null],
    )
    const made = await notifications.deliveries(tenantId, { limit: 10 })
    assert.deepEqual(
      made.map(({ memberId }) => memberId),
      [null],
    )
  })
}

/** Transactions under way side by side. */
for (const database of DATABASES.filter(({ name }) => name === 'PostgreSQL')) {
  const setUp = async (t: Parameters<typeof makeTestNotifications>[0]) => {
    const opened = await database.open()
    const clock = makeFakeClock(systemClock.now())
    let isHeld = false
    let hasWritten = false
    let commit = (): void => {}
    const mayCommit = new Promise<void>((resolve) => {
      commit = resolve
    })
    const slow = decorateDatabase(opened.db, {
      transaction: (work) =>
        opened.db.transaction(async (tx) => {
          const result = await work(tx)
          const { rows } = await sql<{ id: string }>`
            SELECT id FROM deliveries WHERE xmin::text = pg_current_xact_id()::xid::text`.execute(tx)
          if (isHeld && rows.length > 0) {
            hasWritten = true
            await mayCommit
          }
          return result
        }),
    })
    const made = await makeTestNotifications(t, opened, { db: slow, clock })
    const { notifications, engine } = made
    const { tenantId } = engine
    const hook = await notifications.channels.create(tenantId, null, { kind: 'webhook', name: 'hook', url })
    await notifications.preferences.set(tenantId, 'ann', HOURLY)
    await notifications.channels.subscribe(tenantId, {
      ...{ channelId: hook.channel.id, projectId: null, types: ['run.failed'], severity: 'debug', memberId: 'ann' },
    })
    const isWaiting = async () => {
      const { rows } = await sql`SELECT pid FROM pg_locks WHERE NOT granted`.execute(opened.db.primary)
      return rows.length > 0
    }
    return {
      ...made,
      clock,
      hold() {
        isHeld = true
      },
      deliveries: async () =>
        (await notifications.deliveries(tenantId, { limit: 10 }))
          .map(({ cause, status }) => `${cause} ${status}`)
          .sort(),
      /** While what the service writes is not committed yet. */
      async removeMeanwhile() {
        await until('deliveries to be written', () => {
          clock.advance(5000)
          return hasWritten
        })
        const removal = opened.db.transaction((tx) => notifications.forgetMember(tx, tenantId, 'ann', clock.now()))
        await Promise.race([removal, until('the removal to wait', isWaiting)])
        commit()
        await removal
      },
    }
  }

  test(`notifications on ${database.name}: what is made for a member while they are removed is skipped`, async (t) => {
    const { notifications, tell, hold, deliveries, removeMeanwhile } = await setUp(t)
    hold()
    await tell('run.failed')
    await notifications.start()
    await removeMeanwhile()
    await until('the delivery', async () => (await deliveries()).length > 0)
    assert.deepEqual(await deliveries(), ['event skipped'])
  })

  test(`notifications on ${database.name}: a digest that is made for a member while they are removed is skipped`, async (t) => {
    const { notifications, tell, clock, hold, deliveries, removeMeanwhile } = await setUp(t)
    await tell('run.failed')
    await notifications.start()
    await until('the delivery to wait', async () => {
      clock.advance(20)
      return (await deliveries()).length > 0
    })
    hold()
    clock.advance(HOUR)
    await removeMeanwhile()
    await until('the digest', async () => (await deliveries()).length === 2)
    assert.deepEqual(await deliveries(), ['digest skipped', 'event digested'])
  })
}
