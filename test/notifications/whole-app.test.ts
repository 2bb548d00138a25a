/** The whole of AIDOS, as it is started and called: an event goes out by webhook, by the operator's mail server and to the inbox. */
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import test from 'node:test'
import { startTestApp } from '../support/app.ts'
import { makeTempFolder } from '../support/temp-folder.ts'
import { until } from '../support/until.ts'
import { makeCertificate, startMailServer } from './mail-server.ts'
import { startReceiverProcess } from './receiver.ts'

test('an event reaches a webhook in another process, a mail server and the inbox', async (t) => {
  const certificate = await makeCertificate(t)
  const caFile = path.join(await makeTempFolder(t), 'ca.pem')
  await writeFile(caFile, certificate.cert)
  const user = { name: 'aidos', password: 'planted-password' }
  const mails = await startMailServer(t, { security: 'starttls', certificate, user })
  const receiver = await startReceiverProcess(t)
  const { call } = await startTestApp(
    {
      env: {
        OUTBOUND_ALLOW: `127.0.0.1:${receiver.port}`,
        SMTP_HOST: 'localhost',
        SMTP_PORT: String(mails.port),
        SMTP_USER: user.name,
        SMTP_PASSWORD: user.password,
        SMTP_FROM: 'aidos@example.org',
        SMTP_CA_FILE: caFile,
      },
    },
    t,
  )
  const make = async (body: object) => {
    const made = await call('POST', '/v1/channels', body as never)
    assert.equal(made.status, 201, JSON.stringify(made.body))
    const what = { channelId: made.body.id, types: ['template.created'] }
    assert.equal((await call('POST', '/v1/subscriptions', what)).status, 201)
    return made.body
  }
  const hook = await make({ kind: 'webhook', name: 'hook', url: receiver.urlOf('hook') })
  await receiver.script('hook', { secret: hook.secret, replies: [{ status: 200 }] })
  await make({ kind: 'email', name: 'mail', to: ['ann@example.org'] })
  await make({ kind: 'inbox', name: 'inbox' })

  const template = await call('POST', '/v1/templates', { name: 'any', body: 'x' })
  assert.equal(template.status, 201)
  const { type, isVerified } = await until('the webhook', async () => (await receiver.calls('hook')).calls[0])
  assert.deepEqual([type, isVerified], ['template.created', true])
  const mail = await until('the mail', () => mails.received[0])
  assert.deepEqual(
    [mail.from, mail.to, mail.isEncrypted, mail.user],
    ['aidos@example.org', ['ann@example.org'], true, 'aidos'],
  )
  assert.match(mail.source, /^Subject: template.created: A template of messages was made. any\r$/m)
  const inbox = await until('the inbox', async () => {
    const { body } = await call('GET', '/v1/inbox')
    return body.unread === 1 ? body : undefined
  })
  assert.equal(inbox.items[0].type, 'template.created')
  const channels = await call('GET', '/v1/channels')
  for (const text of [user.password, 'localhost', String(mails.port)])
    assert.equal(JSON.stringify(channels.body).includes(text), false, text)
})

test('who is told is a member, and what there is for one ends when the member is removed', async (t) => {
  const { call } = await startTestApp({}, t)
  const ann = (await call('POST', '/v1/members', { email: 'ann@example.org', role: 'viewer' })).body
  const channel = (await call('POST', '/v1/channels', { kind: 'inbox', name: 'inbox' })).body
  const what = { channelId: channel.id, types: ['template.created'] }
  const stranger = await call('POST', '/v1/subscriptions', { ...what, memberId: ann.email })
  assert.deepEqual([stranger.status, stranger.body.code], [400, 'member_unknown'])
  assert.equal((await call('POST', '/v1/subscriptions', { ...what, memberId: ann.id })).status, 201)
  const preferences = `/v1/notification-preferences/${ann.id}`
  assert.equal((await call('PUT', preferences, { timeZone: 'Europe/Berlin' })).status, 200)
  assert.equal((await call('DELETE', `/v1/members/${ann.id}`)).status, 204)
  assert.equal((await call('GET', preferences)).body.code, 'preferences_not_found')
  assert.deepEqual((await call('GET', '/v1/subscriptions')).body.items, [])
})
