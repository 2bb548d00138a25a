import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import test, { before, describe, type TestContext } from 'node:test'
import { DATABASES, type TestDatabase } from '../../test/support/databases.ts'
import { makeTestNotifications, type TestOptions } from '../../test/support/notifications.ts'
import { until } from '../../test/support/until.ts'
import type { NewChannel } from './types.ts'

const SAME = { key: '{{ type }}', windowMs: 60_000 }
/** Each look at the clock is so much later than the one before. */
const LOOK_MS = 100

for (const database of DATABASES) {
  describe(`templates that take long on ${database.name}`, () => {
    let opened: TestDatabase
    before(async () => {
      opened = await database.open()
    })

    const scene = async (t: TestContext, options: TestOptions = {}) => {
      const made = await makeTestNotifications(t, opened, options)
      const { channels, inbox } = made.notifications
      return {
        ...made,
        heavy: made.engine.tenantId,
        light: randomUUID(),
        async subscribe(tenantId: string, settings: NewChannel['settings'] = {}, dedup: typeof SAME | null = null) {
          const { channel } = await channels.create(tenantId, null, { kind: 'inbox', name: 'inbox', settings })
          const what = { channelId: channel.id, projectId: null, types: ['run.failed'], severity: 'debug' } as const
          await channels.subscribe(tenantId, { ...what, dedup })
        },
        titles: async (tenantId: string) =>
          (await inbox.items(tenantId, { limit: 100 })).map(({ title }) => title).reverse(),
      }
    }

    test('are rendered by tasks of their own tenant: nobody else waits for them', async (t) => {
      const may = { makeTasks: false }
      const s = await scene(t, {
        createTask: async (request) => {
          if (may.makeTasks) return s.engine.tasks.create(request)
          throw new Error('not yet')
        },
      })
      const text = { name: 'heavy', subject: 'no {{ data.n }}', body: '' }
      const { id: templateId } = await s.notifications.templates.create({ tenantId: s.heavy, projectId: null }, text)
      await s.subscribe(s.heavy, { templateId })
      await s.subscribe(s.light)
      for (let n = 1; n <= 3; n++) await s.tell('run.failed', { data: { n } })
      await s.tell('run.failed', { tenantId: s.light })
      await s.notifications.start()
      await until('what comes after them', async () => (await s.titles(s.light)).length === 1)
      assert.deepEqual(await s.titles(s.heavy), [])
      may.makeTasks = true
      await s.tell('run.failed', { data: { n: 4 } })
      await until('all', async () => (await s.titles(s.heavy)).length === 4)
      assert.deepEqual(await s.titles(s.heavy), ['no 1', 'no 2', 'no 3', 'no 4'])
    })

    test('as keys have a share of the time; what comes beyond it is told, and takes nothing from others', async (t) => {
      let looks = 0
      const s = await scene(t, { elapsed: () => ++looks * LOOK_MS })
      for (const tenantId of [s.heavy, s.light]) await s.subscribe(tenantId, {}, SAME)
      for (let n = 0; n < 12; n++) await s.tell('run.failed')
      for (let n = 0; n < 3; n++) await s.tell('run.failed', { tenantId: s.light })
      await s.notifications.start()
      await until('the last', async () => (await s.titles(s.light)).length > 0)
      // Three keys of 100 ms are more than the share: one told, two kept back, nine without a key.
      assert.equal((await s.titles(s.heavy)).length, 10)
      assert.equal((await s.titles(s.light)).length, 1)
    })

    test('as keys leave whatever else the process has to do its turn', async (t) => {
      let turn = 0
      let looks = 0
      const seen = new Set<number>()
      const s = await scene(t, {
        elapsed() {
          seen.add(turn)
          return ++looks * LOOK_MS
        },
      })
      await s.subscribe(s.heavy, {}, { ...SAME, key: '{{ data.n }}' })
      for (let n = 0; n < 40; n++) await s.tell('run.failed', { data: { n } })
      let next: NodeJS.Immediate | undefined
      const count = (): void => {
        turn++
        next = setImmediate(count)
      }
      count()
      t.after(() => clearImmediate(next))
      await s.notifications.start()
      await until('all', async () => (await s.titles(s.heavy)).length === 40)
      assert.ok(seen.size >= 40, `${seen.size} turns`)
    })
  })
}
