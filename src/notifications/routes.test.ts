import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import test, { after, before, describe } from 'node:test'
import { wholeFile } from '../../test/support/cleanup.ts'
import { DATABASES } from '../../test/support/databases.ts'
import {
  makeTestNotifications,
  type Receiver,
  startReceiver,
  type TestNotifications,
  verify,
} from '../../test/support/notifications.ts'
import { makeRoutesServer } from '../../test/support/routes-server.ts'
import { until } from '../../test/support/until.ts'
import type { HttpServer } from '../platform/http/server.ts'
import { CATALOGUE } from './catalogue.ts'
import { makeNotificationRoutes } from './routes.ts'

describe('routes of notifications', () => {
  let server: HttpServer
  let made: TestNotifications
  let receiver: Receiver
  before(async () => {
    made = await makeTestNotifications(wholeFile, await DATABASES[0]!.open())
    receiver = await startReceiver({ status: 200, body: 'ok' })
    const { tenantId } = made.engine
    const tenants = { ours: tenantId, reader: tenantId, project: tenantId, ann: tenantId, theirs: randomUUID() }
    server = await makeRoutesServer({
      routes: makeNotificationRoutes(made.notifications),
      tenants,
      readerMay: 'notifications:read',
      projects: { project: 'p1' },
      members: { ann: 'ann' },
    })
    await made.notifications.start()
  })
  after(async () => {
    await server.close()
    receiver.stop()
  })

  type Method = 'GET' | 'POST' | 'PUT' | 'DELETE'
  const send = async (method: Method, url: string, body?: object, as = 'ours') => {
    const headers = { authorization: as }
    const answer = await server.inject({ method, url: `/v1${url}`, headers, ...(body && { payload: body }) })
    return { status: answer.statusCode, body: answer.body === '' ? undefined : answer.json() }
  }
  const makeHook = async (name: string) =>
    (await send('POST', '/channels', { kind: 'webhook', name, url: receiver.url })).body

  test('a channel shows its secret when it is made and when it is rotated, never else', async () => {
    const hook = await send('POST', '/channels', { kind: 'webhook', name: 'secretive', url: receiver.url })
    assert.equal(hook.status, 201)
    const { secret, ...view } = hook.body
    assert.match(secret, /^whsec_/)
    assert.deepEqual((await send('GET', `/channels/${view.id}`)).body, view)
    const rotated = await send('POST', `/channels/${view.id}/rotate`, {})
    assert.equal(rotated.status, 200)
    assert.notEqual(rotated.body.secret, secret)
    const slack = { kind: 'slack', name: 'slack', url: 'https://hooks.example.org/services/hidden' }
    assert.equal((await send('POST', '/channels', slack)).body.url, 'https://hooks.example.org/…')
    const list = await send('GET', '/channels')
    const server = { host: 'mail.example.org', user: 'u', password: 'hidden', from: 'a@example.org' }
    const mail = await send('POST', '/channels', { kind: 'email', name: 'mail', to: ['b@example.org'], server })
    const shown = { host: 'mail.example.org', port: 587, security: 'starttls', user: 'u', from: 'a@example.org' }
    assert.deepEqual(mail.body.server, { ...shown, hasPassword: true })
    assert.equal(JSON.stringify(mail.body).includes('hidden'), false)
    for (const text of ['whsec_', 'hidden', 'sealed'])
      assert.equal(JSON.stringify(list.body).includes(text), false, text)
  })

  test('a channel is tested, and its delivery shows each try', async () => {
    const { id, secret } = await makeHook('tested')
    const sent = await send('POST', `/channels/${id}/test`)
    assert.deepEqual([sent.status, sent.body.cause, sent.body.type], [202, 'test', 'notification.test'])
    const delivery = await until('the delivery', async () => {
      const { body } = await send('GET', `/deliveries/${sent.body.id}`)
      return body.status === 'delivered' ? body : undefined
    })
    const [{ at, durationMs, request, ...attempt }] = delivery.attempts
    assert.deepEqual(attempt, { attempt: 1, statusCode: 200, response: 'ok', error: null })
    assert.ok(durationMs >= 0 && at)
    assert.deepEqual(
      [request.method, request.url, request.headers['webhook-id']],
      ['POST', receiver.url, delivery.messageId],
    )
    assert.deepEqual(JSON.parse(request.body), delivery.message)
    assert.equal('webhook-signature' in request.headers, false)
    assert.deepEqual(verify(secret, receiver.received.at(-1)!), delivery.message)
    const again = await send('POST', `/deliveries/${delivery.id}/replay`)
    assert.deepEqual([again.status, again.body.cause, again.body.messageId], [202, 'replay', delivery.messageId])
    const range = await send('POST', '/deliveries/replay', { channelId: id, status: 'delivered', to: at })
    assert.deepEqual(range, { status: 200, body: { count: 1 } })
    const { items } = (await send('GET', `/deliveries?channelId=${id}&limit=2`)).body
    assert.deepEqual(
      items.map(({ cause }: { cause: string }) => cause),
      ['replay', 'replay'],
    )
  })

  test('an inbox is subscribed, filled, listed page by page, and marked as read', async () => {
    const { id: channelId } = (await send('POST', '/channels', { kind: 'inbox', name: 'inbox' })).body
    const subscribed = await send('POST', '/subscriptions', { channelId, types: ['run.failed'] })
    assert.equal(subscribed.status, 201)
    assert.deepEqual((await send('GET', `/subscriptions?channelId=${channelId}`)).body.items, [subscribed.body])
    for (let i = 0; i < 3; i++) await made.tell('run.failed')
    await until('three items', async () => (await send('GET', '/inbox')).body.unread === 3)
    const first = (await send('GET', '/inbox?limit=2')).body
    const rest = (await send('GET', `/inbox?limit=2&cursor=${first.nextCursor}`)).body
    assert.deepEqual([first.items.length, rest.items.length, rest.nextCursor], [2, 1, null])
    const [item] = first.items
    assert.equal(item.title, 'run.failed: A run failed. oops: it broke')
    assert.equal(item.severity, 'error')
    assert.ok((await send('POST', `/inbox/${item.id}/read`)).body.readAt)
    assert.equal((await send('GET', '/inbox?unread=true')).body.items.length, 2)
    assert.equal((await send('GET', '/inbox?unread=false')).body.items[0].id, item.id)
    assert.equal((await send('POST', `/inbox/${item.id}/unread`)).body.readAt, null)
    assert.deepEqual((await send('POST', '/inbox/read')).body, { count: 3 })
    assert.equal((await send('DELETE', `/subscriptions/${subscribed.body.id}`)).status, 204)
    assert.equal((await send('GET', `/subscriptions/${subscribed.body.id}`)).status, 404)
  })

  test('a channel is renamed, disabled, enabled and deleted with its subscriptions', async () => {
    const { id } = await makeHook('changing')
    const subscription = (await send('POST', '/subscriptions', { channelId: id, types: ['*'] })).body
    const renamed = await send('PUT', `/channels/${id}`, { name: 'changed' })
    assert.deepEqual([renamed.status, renamed.body.name], [200, 'changed'])
    assert.equal((await send('PUT', `/channels/${id}`, { name: 'secretive' })).body.code, 'channel_exists')
    const disabled = (await send('POST', `/channels/${id}/disable`)).body
    assert.deepEqual([disabled.status, disabled.reason], ['disabled', 'disabled by hand'])
    assert.equal((await send('POST', `/channels/${id}/test`)).body.code, 'channel_disabled')
    const enabled = (await send('POST', `/channels/${id}/enable`)).body
    assert.deepEqual([enabled.status, enabled.reason], ['active', null])
    assert.equal((await send('DELETE', `/channels/${id}`)).status, 204)
    assert.equal((await send('GET', `/channels/${id}`)).body.code, 'channel_not_found')
    assert.equal((await send('GET', `/subscriptions/${subscription.id}`)).body.code, 'subscription_not_found')
  })

  test('what is wrong is refused with a code, and a hint at what is right', async () => {
    const { id: channelId } = await makeHook('strict')
    const code = async (url: string, body: object, as?: string) => {
      const answer = await send('POST', url, body, as)
      return `${answer.status} ${answer.body.code}`
    }
    const hook = { kind: 'webhook', name: 'x', url: receiver.url }
    assert.equal(await code('/channels', { ...hook, name: 'strict' }), '409 channel_exists')
    for (const url of ['ftp://example.org/', 'nonsense', 'https://a:b@example.org/'])
      assert.equal(await code('/channels', { ...hook, url }), '400 channel_invalid', url)
    assert.equal(await code('/channels', { kind: 'email', name: 'x' }), '400 request_invalid')
    const mail = { kind: 'email', name: 'x', to: ['a@example.org'] }
    assert.equal(await code('/channels', mail), '400 channel_invalid')
    assert.equal(await code('/channels', { ...mail, to: ['nobody'] }), '400 request_invalid')
    assert.equal(await code('/channels', { ...hook, settings: { ratePerMinute: 0 } }), '400 request_invalid')
    const unknown = await send('POST', '/subscriptions', { channelId, types: ['run.fialed'] })
    assert.equal(unknown.body.code, 'event_type_unknown')
    assert.match(unknown.body.detail, /no event type fits "run\.fialed".*run\.failed/)
    assert.equal(await code('/subscriptions', { channelId: 'none', types: ['*'] }), '404 channel_not_found')
    const inOther = { channelId, types: ['*'], projectId: 'p2' }
    assert.equal(await code('/subscriptions', inOther, 'project'), '403 project_not_allowed')
    assert.equal(await code('/channels', hook, 'reader'), '403 forbidden')
  })

  test('another tenant sees and changes nothing', async () => {
    const { id } = await makeHook('ours-alone')
    const { body: subscription } = await send('POST', '/subscriptions', { channelId: id, types: ['*'] })
    const { body: delivery } = await send('POST', `/channels/${id}/test`)
    const urls: [Method, string, object?][] = [
      ['GET', `/channels/${id}`],
      ['PUT', `/channels/${id}`, { name: 'theirs' }],
      ['DELETE', `/channels/${id}`],
      ['POST', `/channels/${id}/rotate`, {}],
      ['POST', `/channels/${id}/disable`],
      ['POST', `/channels/${id}/enable`],
      ['POST', `/channels/${id}/test`],
      ['POST', '/subscriptions', { channelId: id, types: ['*'] }],
      ['GET', `/subscriptions/${subscription.id}`],
      ['DELETE', `/subscriptions/${subscription.id}`],
      ['GET', `/deliveries/${delivery.id}`],
      ['POST', `/deliveries/${delivery.id}/replay`],
      ['POST', '/deliveries/replay', { channelId: id }],
      ['POST', `/inbox/${delivery.id}/read`],
    ]
    for (const [method, url, body] of urls)
      assert.equal((await send(method, url, body, 'theirs')).status, 404, `${method} ${url}`)
    for (const url of ['/channels', '/subscriptions', '/deliveries', '/inbox'])
      assert.deepEqual((await send('GET', url, undefined, 'theirs')).body.items, [], url)
    assert.equal((await send('GET', `/channels/${id}`)).body.name, 'ours-alone')
  })

  test('a template is tried out, kept, changed and deleted', async () => {
    const preview = { subject: '{{ type }}', body: '{{ data.error.code }}!' }
    const tried = await send('POST', '/templates/preview', { ...preview, data: { error: { code: 'oops' } } })
    assert.deepEqual(tried, { status: 200, body: { subject: 'run.failed', body: 'oops!' } })
    const sampled = await send('POST', '/templates/preview', { ...preview, type: 'task.dead' })
    assert.deepEqual(sampled.body, { subject: 'task.dead', body: 'delivery_refused!' })
    const wrong = await send('POST', '/templates/preview', { body: '{% if %}' })
    assert.deepEqual([wrong.status, wrong.body.code], [400, 'template_invalid'])
    const made = await send('POST', '/templates', { name: 'own', ...preview })
    assert.equal(made.status, 201)
    assert.equal((await send('POST', '/templates', { name: 'own', body: 'x' })).body.code, 'template_exists')
    assert.equal((await send('PUT', `/templates/${made.body.id}`, { body: 'y' })).body.body, 'y')
    assert.deepEqual((await send('GET', '/templates')).body.items.length, 1)
    assert.equal((await send('GET', `/templates/${made.body.id}`, undefined, 'theirs')).status, 404)
    assert.equal((await send('DELETE', `/templates/${made.body.id}`)).status, 204)
    assert.equal((await send('GET', `/templates/${made.body.id}`)).body.code, 'template_not_found')
  })

  test('a member says how to be told; another one needs the permission for that', async () => {
    const url = '/notification-preferences'
    const wishes = { timeZone: 'Europe/Berlin', quietHours: { from: '22:00', to: '07:00' }, digest: { every: 'hour' } }
    const set = await send('PUT', `${url}/me`, wishes, 'ann')
    assert.equal(set.status, 200)
    assert.deepEqual([set.body.memberId, set.body.errorsAtOnce, set.body.channelId], ['ann', true, null])
    assert.deepEqual((await send('GET', `${url}/ann`, undefined, 'ann')).body, set.body)
    assert.equal((await send('PUT', `${url}/bob`, wishes, 'ann')).body.code, 'forbidden')
    assert.equal((await send('GET', `${url}/bob`, undefined, 'ann')).body.code, 'forbidden')
    assert.equal((await send('PUT', `${url}/bob`, wishes)).status, 200)
    assert.equal((await send('PUT', `${url}/bob`, wishes, 'reader')).body.code, 'forbidden')
    assert.equal((await send('GET', `${url}/bob`, undefined, 'reader')).status, 200)
    assert.equal((await send('GET', `${url}/bob`, undefined, 'theirs')).body.code, 'preferences_not_found')
    assert.equal((await send('PUT', `${url}/me`, wishes)).body.code, 'preferences_not_allowed')
    assert.equal((await send('PUT', `${url}/bob`, { timeZone: 'Mars/North' })).body.code, 'preferences_invalid')
    const stranger = await send('PUT', `${url}/carol`, wishes)
    assert.deepEqual([stranger.status, stranger.body.code], [400, 'member_unknown'])
    assert.match(stranger.body.detail, /"carol".*GET \/v1\/members/)
    assert.equal((await send('PUT', `${url}/bob`, { channelId: 'none' })).body.code, 'channel_not_found')
    const quiet = { quietHours: { from: '24:00', to: '07:00' } }
    assert.equal((await send('PUT', `${url}/bob`, quiet)).body.code, 'request_invalid')
    assert.equal((await send('DELETE', `${url}/me`, undefined, 'ann')).status, 204)
    assert.equal((await send('GET', `${url}/me`, undefined, 'ann')).body.code, 'preferences_not_found')
  })

  test('GET /v1/subscriptions/types gives the catalogue', async () => {
    const { items } = (await send('GET', '/subscriptions/types')).body
    assert.deepEqual(
      items.map(({ type }: { type: string }) => type),
      Object.keys(CATALOGUE),
    )
    const { schema } = items.find(({ type }: { type: string }) => type === 'run.failed')
    assert.deepEqual(schema.required, ['target', 'durationMs', 'error'])
  })
})
