/** A real mail server for tests: keeps what it is given, and refuses what it is told to refuse. */
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { SMTPServer, type SMTPServerOptions } from 'smtp-server'
import type { Cleanup } from '../support/cleanup.ts'
import { makeTempFolder } from '../support/temp-folder.ts'

export interface ReceivedMail {
  readonly from: string
  readonly to: readonly string[]
  /** Headers and body, as they came. */
  readonly source: string
  readonly isEncrypted: boolean
  readonly user: string | undefined
}

export interface MailServerScript {
  /** Answers to the mails, one after the other, then 250 for ever. */
  readonly answers?: readonly (number | 'hang')[]
  /** Refused for good when named as a recipient. */
  readonly unknown?: readonly string[]
  readonly user?: { readonly name: string; readonly password: string }
  /** `tls` from the first byte, `starttls`, or `none`. */
  readonly security?: 'tls' | 'starttls' | 'none'
  readonly certificate?: Certificate
}

export interface Certificate {
  readonly key: string
  readonly cert: string
}

/** Of the machine: Node signs no certificates. */
const OPENSSL = 'openssl'

/** For `localhost`, signed by itself. */
export const makeCertificate = async (t: Cleanup): Promise<Certificate> => {
  const folder = await makeTempFolder(t)
  const [key, cert] = [path.join(folder, 'key.pem'), path.join(folder, 'cert.pem')]
  const made = [
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:prime256v1',
    '-nodes',
    '-days',
    '2',
    '-subj',
    '/CN=localhost',
  ]
  const names = ['-addext', 'subjectAltName=DNS:localhost']
  execFileSync(OPENSSL, ['req', '-x509', ...made, ...names, '-keyout', key, '-out', cert], { stdio: 'ignore' })
  return { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') }
}

export interface MailServer {
  readonly port: number
  readonly received: ReceivedMail[]
}

const refusal = (code: number, text: string): Error => Object.assign(new Error(text), { responseCode: code })

export const startMailServer = async (t: Cleanup, script: MailServerScript = {}): Promise<MailServer> => {
  const { answers = [], unknown = [], user, security = 'none', certificate } = script
  const received: ReceivedMail[] = []
  let count = 0
  const options: SMTPServerOptions = {
    ...certificate,
    secure: security === 'tls',
    hideSTARTTLS: security !== 'starttls',
    authOptional: user === undefined,
    disabledCommands: user === undefined ? ['AUTH'] : [],
    onAuth: ({ username, password }, _session, done) =>
      username === user?.name && password === user?.password
        ? done(null, { user: username })
        : done(refusal(535, 'wrong user or password')),
    onRcptTo: ({ address }, _session, done) =>
      unknown.includes(address) ? done(refusal(550, 'no such mailbox')) : done(),
    async onData(stream, { envelope, secure, user: name }, done) {
      const chunks: Buffer[] = []
      for await (const chunk of stream) chunks.push(chunk as Buffer)
      const answer = answers[count++]
      if (answer === 'hang') return
      if (answer !== undefined && answer >= 400) return done(refusal(answer, `refused with ${answer}`))
      received.push({
        from: envelope.mailFrom === false ? '' : envelope.mailFrom.address,
        to: envelope.rcptTo.map(({ address }) => address),
        source: Buffer.concat(chunks).toString(),
        isEncrypted: secure,
        user: name as string | undefined,
      })
      done()
    },
  }
  const server = new SMTPServer(options)
  // A client that goes away in the middle of things is none of its errors.
  server.on('error', () => {})
  const listening = server.listen(0, '127.0.0.1')
  await once(listening, 'listening')
  t.after(
    () =>
      new Promise<void>((resolve) => {
        for (const connection of server.connections) connection.close()
        server.close(() => resolve())
      }),
  )
  return { port: (listening.address() as AddressInfo).port, received }
}
