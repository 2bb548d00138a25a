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
  until,
  verify,
} from '../../test/support/notifications.ts'
import { makeRoutesServer } from '../../test/support/routes-server.ts'
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
    const tenants = { ours: tenantId, reader: tenantId, project: tenantId, theirs: randomUUID() }
    server = await makeRoutesServer({
      routes: makeNotificationRoutes(made.notifications),
      tenants,
      readerMay: 'notifications:read',
      projects: { project: 'p1' },
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
    for (const text of ['whsec_', 'hidden', 'sealed'])
      assert.equal(JSON.stringify(list.body).includes(text), false, text)
  })

  test('a channel is tested, and its delivery shows each try', async () => {
    const { id, secret } = await makeHook('tested')
    const sent = await send('POST', `/channels/${id}/test`)
    assert.deepEqual([sent.status, sent.body.cause, sent.body.type], [202, 'test', 'notification.test'])
    const delivery = await until(async () => {
      const { body } = await send('GET', `/deliveries/${sent.body.id}`)
      return body.status === 'delivered' ? body : undefined
    }, 'the delivery')
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
    await until(async () => (await send('GET', '/inbox')).body.unread === 3, 'three items')
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

  test('GET /v1/subscriptions/types gives the catalogue', async () => {
    const { items } = (await send('GET', '/subscriptions/types')).body
    assert.deepEqual(
      items.map(({ type }: { type: string }) => type),
      Object.keys(CATALOGUE),
    )
  })
})
