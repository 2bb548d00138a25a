import assert from 'node:assert/strict'
import net from 'node:net'
import test, { type TestContext } from 'node:test'
import { type MailServerScript, makeCertificate, startMailServer } from '../../test/notifications/mail-server.ts'
import type { Lookup } from '../platform/outbound/connect.ts'
import { type MailServer, makeMailer } from './mail.ts'

const MAIL = {
  to: ['ann@example.org', 'bob@example.org'],
  subject: 'Ünder way',
  text: 'line 1\nline 2',
  messageId: 'msg_1',
}
const never = new AbortController().signal

const serverAt = (port: number, more: Partial<MailServer> = {}): MailServer => ({
  host: '127.0.0.1',
  port,
  security: 'none',
  user: null,
  password: null,
  from: 'aidos@example.org',
  isOperators: false,
  ...more,
})

const scene = async (t: TestContext, script: MailServerScript = {}) => {
  const server = await startMailServer(t, script)
  const mailer = makeMailer({ allow: ['127.0.0.1'], timeoutMs: 30_000 })
  return { ...server, mailer, send: () => mailer.send(serverAt(server.port), MAIL, never) }
}

test('a mail server receives the mail, with its message id and to all', async (t) => {
  const { send, received } = await scene(t)
  const answer = await send()
  assert.equal(answer.statusCode, 250)
  const [{ from, to, source }] = received as [(typeof received)[0]]
  assert.deepEqual([from, to], ['aidos@example.org', MAIL.to])
  assert.match(source, /^Message-ID: <msg_1@aidos>\r$/m)
  assert.match(source, /^Auto-Submitted: auto-generated\r$/m)
  assert.match(source, /^Subject: =\?UTF-8\?Q\?=C3=9Cnder_way\?=\r$/m)
  assert.match(source, /\r\n\r\nline 1\r\nline 2/)
})

test('a subject cannot bring headers of its own', async (t) => {
  const { port, mailer, received } = await scene(t)
  const mail = { ...MAIL, subject: 'a\r\nBcc: eve@example.org\r\n\r\nbody' }
  await mailer.send(serverAt(port), mail, never)
  assert.match(received[0]!.source, /^Subject: a Bcc: eve@example.org body\r$/m)
  assert.deepEqual(received[0]!.to, MAIL.to)
})

for (const security of ['tls', 'starttls'] as const) {
  test(`${security}: user and password go over an encrypted line, to a server whose certificate is known`, async (t) => {
    const certificate = await makeCertificate(t)
    const user = { name: 'aidos', password: 'hidden' }
    const { port, received } = await startMailServer(t, { security, certificate, user })
    const mailer = makeMailer({ allow: ['localhost'], timeoutMs: 30_000, ca: certificate.cert })
    const server = serverAt(port, { host: 'localhost', security, user: user.name, password: user.password })
    assert.equal((await mailer.send(server, MAIL, never)).statusCode, 250)
    assert.deepEqual([received[0]!.isEncrypted, received[0]!.user], [true, 'aidos'])

    const wrong = await mailer.send({ ...server, password: 'guessed' }, MAIL, never)
    assert.equal(wrong.statusCode, 535)
    const stranger = makeMailer({ allow: ['localhost'], timeoutMs: 30_000 })
    await assert.rejects(stranger.send(server, MAIL, never), { code: 'mail_failed', retryable: true })
    assert.equal(received.length, 1)
  })
}

test('starttls: nothing is sent to a server that does not offer it', async (t) => {
  const { port, mailer, received } = await scene(t)
  const sending = mailer.send(serverAt(port, { security: 'starttls' }), MAIL, never)
  await assert.rejects(sending, { code: 'mail_failed' })
  assert.equal(received.length, 0)
})

test('answers of the server come back as their codes: for later, for good, for some', async (t) => {
  const later = await scene(t, { answers: [451] })
  assert.deepEqual((await later.send()).statusCode, 451)
  assert.deepEqual((await later.send()).statusCode, 250)
  const none = await scene(t, { unknown: MAIL.to })
  assert.equal((await none.send()).statusCode, 550)
  const some = await scene(t, { unknown: ['bob@example.org'] })
  const answer = await some.send()
  assert.equal(answer.statusCode, 250)
  assert.match(answer.text, /not taken for: bob@example.org/)
})

test('an internal address is refused before a byte is sent, also behind a name; the operator may name his own', async (t) => {
  const connections: net.Socket[] = []
  const listener = net.createServer((socket) => connections.push(socket))
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  t.after(() => listener.close())
  const { port } = listener.address() as net.AddressInfo
  const lookup: Lookup = async () => [{ address: '127.0.0.1', family: 4 }]
  const mailer = makeMailer({ allow: [], timeoutMs: 30_000, lookup })
  for (const host of ['127.0.0.1', '::1', 'mail.example.org'])
    await assert.rejects(mailer.send(serverAt(port, { host }), MAIL, never), { code: 'outbound_blocked' }, host)
  assert.equal(connections.length, 0)
  const { port: open, received } = await startMailServer(t)
  await mailer.send(serverAt(open, { host: 'mail.example.org', isOperators: true }), MAIL, never)
  assert.equal(received.length, 1)
})

test('a server that says nothing, or hangs in the middle, is given up', async (t) => {
  const sockets = new Set<net.Socket>()
  const silent = net.createServer((socket) => sockets.add(socket))
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    silent.close()
  })
  const mailer = makeMailer({ allow: ['127.0.0.1'], timeoutMs: 200 })
  const { port } = silent.address() as net.AddressInfo
  await assert.rejects(mailer.send(serverAt(port), MAIL, never), { code: 'mail_failed' })
  const hanging = await startMailServer(t, { answers: ['hang'] })
  await assert.rejects(mailer.send(serverAt(hanging.port), MAIL, never), { code: 'mail_failed' })
  await assert.rejects(mailer.send(serverAt(1), MAIL, never), { code: 'mail_failed' })
})

test('a call that is called off ends with the reason for that', async (t) => {
  const { port } = await startMailServer(t, { answers: ['hang'] })
  const mailer = makeMailer({ allow: ['127.0.0.1'], timeoutMs: 30_000 })
  const abort = new AbortController()
  const sending = mailer.send(serverAt(port), MAIL, abort.signal)
  abort.abort(new Error('enough'))
  await assert.rejects(sending, /enough/)
})
