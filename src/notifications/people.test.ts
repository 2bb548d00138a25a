import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeBetween } from '../../test/support/between.ts'
import { DATABASES } from '../../test/support/databases.ts'
import { makeTestNotifications } from '../../test/support/notifications.ts'
import { until } from '../../test/support/until.ts'
import { makePeople } from './people.ts'

const WISHES = {
  channelId: null,
  timeZone: 'UTC',
  quietHours: null,
  digest: { every: 'hour' },
  errorsAtOnce: false,
} as const

for (const database of DATABASES) {
  const name = (title: string): string => `notifications for a member on ${database.name}: ${title}`

  test(name('only for one of the tenant, or for whoever asks'), async (t) => {
    const { notifications, engine } = await makeTestNotifications(t, await database.open())
    const { channels, preferences } = notifications
    const { tenantId } = engine
    const { channel } = await channels.create(tenantId, null, { kind: 'inbox', name: 'inbox' })
    const what = { channelId: channel.id, projectId: null, types: ['run.*'], severity: 'debug' } as const
    const unknown = { code: 'member_unknown', status: 400 }
    await assert.rejects(channels.subscribe(tenantId, { ...what, memberId: 'ann@example.org' }), {
      ...unknown,
      message:
        /"ann@example.org"; this is an address, not an id. Allowed: the id of a member, which GET \/v1\/members tells/,
    })
    await assert.rejects(preferences.set(tenantId, 'carol', WISHES), unknown)
    assert.equal((await channels.subscribe(tenantId, { ...what, memberId: 'ann' })).memberId, 'ann')
    assert.equal((await channels.subscribe(tenantId, { ...what, memberId: 'subject' }, 'subject')).memberId, 'subject')
    assert.equal((await preferences.set(tenantId, 'subject', WISHES, 'subject')).memberId, 'subject')
    assert.equal((await channels.subscriptions(tenantId, { limit: 10 })).length, 2)
  })

  test(name('all of it ends with the member, what is for others stays'), async (t) => {
    const opened = await database.open()
    const { db, hub } = opened
    const { notifications, engine, tell } = await makeTestNotifications(t, opened)
    const { channels, preferences, inbox, forgetMember } = notifications
    const { tenantId } = engine
    const ended: unknown[] = []
    hub.subscribe({ types: ['subscription.deleted'] }, ({ data }) => ended.push(data.subscriptionId))
    const { channel } = await channels.create(tenantId, null, { kind: 'inbox', name: 'inbox' })
    const hook = await channels.create(tenantId, null, { kind: 'webhook', name: 'hook', url: 'http://127.0.0.1:9/' })
    const what = { projectId: null, types: ['run.failed'], severity: 'debug' } as const
    const ids: Record<string, string> = {}
    for (const memberId of ['ann', 'bob']) {
      await preferences.set(tenantId, memberId, WISHES)
      ids[memberId] = (await channels.subscribe(tenantId, { ...what, channelId: channel.id, memberId })).id
      await channels.subscribe(tenantId, { ...what, channelId: hook.channel.id, memberId })
    }
    await channels.subscribe(tenantId, { ...what, channelId: channel.id })
    await notifications.start()
    await tell('run.failed')
    const itemsOf = async () => (await inbox.items(tenantId, { limit: 10 })).map(({ memberId }) => memberId).sort()
    const heldBy = async (memberId: string) =>
      (await notifications.deliveries(tenantId, { channelId: hook.channel.id, limit: 10 }))
        .filter((delivery) => delivery.memberId === memberId)
        .map(({ status }) => status)
    await until('all to be told', async () => (await itemsOf()).length >= 3 && (await heldBy('bob')).length > 0)

    await db.transaction((tx) => forgetMember(tx, tenantId, 'ann', Date.now()))

    await assert.rejects(preferences.find(tenantId, 'ann'), { code: 'preferences_not_found' })
    assert.equal((await preferences.find(tenantId, 'bob')).memberId, 'bob')
    const left = await channels.subscriptions(tenantId, { limit: 10 })
    assert.deepEqual(left.map(({ memberId }) => memberId).sort(), ['bob', 'bob', null])
    assert.equal(ended.length, 2)
    assert.ok(ended.includes(ids.ann))
    assert.deepEqual(await itemsOf(), ['bob', null])
    assert.deepEqual([await heldBy('ann'), await heldBy('bob')], [['skipped'], ['pending']])
    // The routes in memory are old by now.
    await tell('run.failed')
    await until('the next item', async () => (await itemsOf()).length >= 4)
    assert.ok(!(await itemsOf()).includes('ann'))
  })

  test(name('an item whose member goes while it is put into the inbox is not put'), async (t) => {
    const opened = await database.open()
    const between = makeBetween(opened.db)
    const { notifications, engine, tell } = await makeTestNotifications(t, opened, {
      db: between.db,
      createTask: async () => {
        throw new Error('done by the test')
      },
    })
    const { channels, templates, inbox, forgetMember, handler } = notifications
    const { tenantId } = engine
    const text = { name: 'short', subject: '{{ type }}', body: '' }
    const { id: templateId } = await templates.create({ tenantId, projectId: null }, text)
    const kind = { kind: 'inbox', name: 'inbox', settings: { templateId } } as const
    const { channel } = await channels.create(tenantId, null, kind)
    const what = { channelId: channel.id, projectId: null, types: ['run.failed'], severity: 'debug' } as const
    await channels.subscribe(tenantId, { ...what, memberId: 'ann' })
    await notifications.start()
    await tell('run.failed')
    const find = async () => (await notifications.deliveries(tenantId, { limit: 1 }))[0]
    const delivery = await until('the delivery', find)
    await notifications.stop()

    between.meanwhile(() => opened.db.transaction((tx) => forgetMember(tx, tenantId, 'ann', Date.now())))
    const call = {
      ...{ taskId: 'task', tenantId, projectId: null, attempt: 1, idempotencyKey: 'key', heartbeat() {} },
      signal: new AbortController().signal,
    }
    const answer = await handler('notification:deliver')!({ deliveryId: delivery.id, round: 0 }, call)
    assert.deepEqual(answer, { status: 'skipped' })
    assert.deepEqual(await inbox.items(tenantId, { limit: 1 }), [])
    assert.equal((await find())!.status, 'skipped')
  })
}

test('a member whom nobody asks about costs no look', async () => {
  const people = makePeople({ isMember: () => assert.fail('asked') })
  await people.check('t', 'me', 'me')
})
