import assert from 'node:assert/strict'
import test, { before, describe, type TestContext } from 'node:test'
import { type MailServerScript, startMailServer } from '../../test/notifications/mail-server.ts'
import { DATABASES, type TestDatabase } from '../../test/support/databases.ts'
import { makeTestNotifications, startReceiver, type TestOptions } from '../../test/support/notifications.ts'
import { until } from '../../test/support/until.ts'
import { makePaceRepository } from './repository-pace.ts'
import type { NotificationTables } from './schema.ts'
import type { Delivery, NewChannel } from './types.ts'

for (const database of DATABASES) {
  describe(`channels on ${database.name}`, () => {
    let opened: TestDatabase
    before(async () => {
      opened = await database.open()
    })

    const scene = async (t: TestContext, options: TestOptions = {}) => {
      const made = await makeTestNotifications(t, opened, { allow: ['127.0.0.1'], ...options })
      const { notifications, engine } = made
      const { tenantId } = engine
      const make = async (request: NewChannel) => {
        const { channel } = await notifications.channels.create(tenantId, null, request)
        const what = { channelId: channel.id, projectId: null, types: ['run.*'], severity: 'debug' } as const
        await notifications.channels.subscribe(tenantId, what)
        return channel
      }
      const ended = () =>
        until('the end', async () => {
          const found = await notifications.deliveries(tenantId, { limit: 100 })
          return found.length > 0 && found.every(({ status }) => status !== 'pending') ? found : undefined
        })
      const codes = async ({ id }: Delivery) =>
        (await notifications.attempts(tenantId, id)).map(({ statusCode }) => statusCode)
      return { ...made, tenantId, make, ended, codes }
    }
    const mailScene = async (t: TestContext, script: MailServerScript = {}, options: TestOptions = {}) => {
      const mails = await startMailServer(t, script)
      const s = await scene(t, options)
      const server = { host: '127.0.0.1', port: mails.port, security: 'none', from: 'aidos@example.org' } as const
      const makeMail = () => s.make({ kind: 'email', name: 'mail', to: ['ann@example.org'], server })
      return { ...s, mails, server, makeMail }
    }

    test('an event reaches its receivers by mail; the log keeps the mail and the answer', async (t) => {
      const s = await mailScene(t)
      await s.makeMail()
      await s.notifications.start()
      await s.tell('run.failed', { runId: 'r1' })
      const [delivery] = (await s.ended()) as [Delivery]
      assert.equal(delivery.status, 'delivered')
      const [{ source, to }] = s.mails.received as [(typeof s.mails.received)[0]]
      assert.deepEqual(to, ['ann@example.org'])
      assert.match(source, new RegExp(`^Message-ID: <${delivery.messageId}@aidos>\\r$`, 'm'))
      assert.match(source, /^Subject: run.failed: A run failed. oops: it broke\r$/m)
      assert.match(source, /\r\n\r\nrun.failed: A run failed. oops: it broke\r\n\r\nrun r1/)
      const [attempt] = await s.notifications.attempts(s.tenantId, delivery.id)
      const request = JSON.parse(attempt!.request as string) as Record<string, unknown>
      assert.deepEqual([request.method, request.to], ['SMTP', ['ann@example.org']])
      assert.equal(attempt!.statusCode, 250)
      assert.match(attempt!.response as string, /^250/)
    })

    test('a 4xx of the mail server is tried again, a 5xx is for good and a dead letter', async (t) => {
      const s = await mailScene(t, { answers: [451, 250, 554] })
      await s.makeMail()
      await s.notifications.start()
      await s.tell('run.failed')
      const [first] = (await s.ended()) as [Delivery]
      assert.equal(first.status, 'delivered')
      assert.deepEqual(await s.codes(first), [451, 250])
      await s.tell('run.timed_out')
      const [second] = (await until('the second', async () => {
        const found = await s.ended()
        return found.length === 2 ? found : undefined
      })) as [Delivery]
      assert.equal(second.status, 'failed')
      assert.match(second.error as string, /^mail_refused: the mail server answered 554/)
      assert.deepEqual(await s.codes(second), [554])
      const letters = await s.engine.tasks.tasks.deadLetters(s.tenantId, { status: 'dead', limit: 5 })
      assert.deepEqual(
        letters.map(({ taskId, reason }) => [taskId, reason]),
        [[second.taskId, 'not_retryable']],
      )
    })

    test('a mail server at an internal address is refused', async (t) => {
      const s = await mailScene(t, {}, { allow: [] })
      await s.makeMail()
      await s.notifications.start()
      await s.tell('run.failed')
      const [delivery] = (await s.ended()) as [Delivery]
      assert.match(delivery.error as string, /^outbound_blocked/)
      assert.equal(s.mails.received.length, 0)
    })

    test("the operator's mail server serves channels that name none, and is not shown to them", async (t) => {
      const mails = await startMailServer(t)
      const operators = { host: '127.0.0.1', port: mails.port, security: 'none', from: 'house@example.org' } as const
      const mailServer = { ...operators, user: null, password: null, isOperators: true }
      const s = await scene(t, { allow: [], mailServer })
      await s.make({ kind: 'email', name: 'mail', to: ['ann@example.org'] })
      await s.notifications.start()
      await s.tell('run.failed')
      const [delivery] = (await s.ended()) as [Delivery]
      assert.equal(delivery.status, 'delivered')
      assert.equal(mails.received[0]!.from, 'house@example.org')
      const [attempt] = await s.notifications.attempts(s.tenantId, delivery.id)
      assert.equal(attempt!.request!.includes(String(mails.port)), false)
    })

    test('a mail channel is checked when it is made and changed; its password lies sealed and can be kept', async (t) => {
      const s = await mailScene(t)
      const { channels } = s.notifications
      const base = { kind: 'email', name: 'm', to: ['a@example.org'] } as const
      const invalid = { code: 'channel_invalid' }
      await assert.rejects(channels.create(s.tenantId, null, base), invalid)
      const clear = { ...s.server, user: 'u', password: 'verysecret' }
      await assert.rejects(channels.create(s.tenantId, null, { ...base, server: clear }), invalid)
      const half = { ...s.server, security: 'tls', user: 'u' } as const
      await assert.rejects(channels.create(s.tenantId, null, { ...base, server: half }), invalid)
      const server = { ...clear, security: 'tls' } as const
      const { channel } = await channels.create(s.tenantId, null, { ...base, server })
      const sealedOf = async () => {
        const { config } = await channels.find(s.tenantId, channel.id)
        assert.equal(JSON.stringify(config).includes('verysecret'), false)
        return config.kind === 'email' ? config.server?.sealedPassword : undefined
      }
      const before = await sealedOf()
      assert.ok(before)
      await channels.update(s.tenantId, channel.id, { server: { ...server, password: undefined, port: 465 } })
      assert.equal(await sealedOf(), before)
      // To another host a password does not go along: whoever may change a channel need not know it.
      const other = { ...server, password: undefined, host: 'other.example.org' }
      await assert.rejects(channels.update(s.tenantId, channel.id, { server: other }), invalid)
      await assert.rejects(channels.update(s.tenantId, channel.id, { url: 'https://example.org' }), {
        code: 'channel_kind_wrong',
      })
    })

    test('a template gives the text of mail, Slack and inbox, and a change of it counts from then on', async (t) => {
      const s = await mailScene(t)
      const { templates, channels } = s.notifications
      const text = { subject: 'About {{ type }}', body: '{{ data.error.message }} <!here>' }
      const { id: templateId } = await templates.create(s.tenantId, { name: 'own', ...text })
      const slack = await startReceiver({ status: 200 })
      t.after(() => slack.stop())
      const settings = { templateId }
      await s.make({ kind: 'slack', name: 'slack', url: slack.url, settings })
      await s.make({ kind: 'inbox', name: 'inbox', settings })
      await s.make({ kind: 'email', name: 'mail', to: ['ann@example.org'], server: s.server, settings })
      await s.notifications.start()
      await s.tell('run.failed', { data: { error: { code: 'a', message: 'it <broke>' } } })
      await until('all three', async () => (await s.ended()).length === 3)
      assert.equal(JSON.parse(slack.received[0]!.body).text, 'it &lt;broke&gt; <!here>')
      assert.match(s.mails.received[0]!.source, /^Subject: About run.failed\r$/m)
      assert.match(s.mails.received[0]!.source, /\r\n\r\nit <broke> <!here>/)
      const [item] = await s.notifications.inbox.items(s.tenantId, { limit: 1 })
      assert.equal(item!.title, 'About run.failed')
      await templates.update(s.tenantId, templateId, { subject: 'News' })
      await s.tell('run.failed')
      await until('the second mail', () => s.mails.received[1])
      assert.match(s.mails.received[1]!.source, /^Subject: News\r$/m)
      const hook = { kind: 'webhook', name: 'hook', url: slack.url, settings } as const
      await assert.rejects(channels.create(s.tenantId, null, hook), { code: 'channel_kind_wrong' })
      const gone = { kind: 'inbox', name: 'gone', settings: { templateId: 'none' } } as const
      await assert.rejects(channels.create(s.tenantId, null, gone), { code: 'template_not_found' })
    })

    test('a channel that is removed leaves no times of its rate behind', async (t) => {
      const s = await scene(t)
      const settings = { ratePerMinute: 60 }
      const { id } = await s.make({ kind: 'webhook', name: 'paced', url: 'http://127.0.0.1:9/', settings })
      await opened.db.transaction((tx) => makePaceRepository(tx).takeSlot(id, Date.now(), 1000))
      await s.notifications.channels.remove(s.tenantId, id)
      const slots = opened.db.primary.withTables<NotificationTables>().selectFrom('channel_slots')
      assert.deepEqual(await slots.selectAll().where('channel_id', '=', id).execute(), [])
    })

    test('what finds its channel busy is put off without counting as a try, and delivered', async (t) => {
      const s = await scene(t, { places: 2 })
      const receiver = await startReceiver({ status: 200, delayMs: 50 })
      t.after(() => receiver.stop())
      await s.make({ kind: 'webhook', name: 'hook', url: receiver.url })
      await s.notifications.start()
      for (let i = 0; i < 4; i++) await s.tell('run.failed')
      const found = await until('all four', async () => {
        const all = await s.ended()
        return all.length === 4 ? all : undefined
      })
      assert.deepEqual(
        found.map(({ status, tries }) => [status, tries]),
        Array(4).fill(['delivered', 0]),
      )
      assert.ok(found.some(({ round }) => round > 0))
      assert.equal(receiver.received.length, 4)
    })
  })
}
