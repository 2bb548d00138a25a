/** Mail by SMTP. A server that a tenant named is connected to under the same rules as any call to the outside. */
import type { Socket } from 'node:net'
import { rootCertificates } from 'node:tls'
import { AppError, messageOf } from '../platform/errors.ts'
import { type Lookup, makeGuardedConnect, systemLookup } from '../platform/outbound/connect.ts'
import { makeOutboundPolicy } from '../platform/outbound/policy.ts'
import { deliveryErrors } from './errors.ts'
import type { MailSecurity } from './types.ts'

export interface MailServer {
  readonly host: string
  readonly port: number
  readonly security: MailSecurity
  readonly user: string | null
  readonly password: string | null
  readonly from: string
  /** The operator's own: it may stand inside. */
  readonly isOperators: boolean
}

export interface Mail {
  readonly to: readonly string[]
  readonly subject: string
  readonly text: string
  /** The same on every try, so that a mail program shows it once. */
  readonly messageId: string
}

/** How the mail server answered. */
export interface MailAnswer {
  /** Of SMTP: 250 is success, 4xx asks to come again, 5xx is for good. */
  readonly statusCode: number
  readonly text: string
}

export interface Mailer {
  /** Rejects with `mail_failed` when no answer came, with `outbound_blocked` when the server's address is an internal one. */
  send(server: MailServer, mail: Mail, signal: AbortSignal): Promise<MailAnswer>
}

export interface MailerOptions {
  /** Hosts that may be connected to although they are not public; see `makeOutboundPolicy`. */
  readonly allow: readonly string[]
  readonly timeoutMs: number
  readonly lookup?: Lookup
  /** A certificate authority besides the public ones, as PEM. */
  readonly ca?: string | undefined
}

const REFUSED_FROM = 400
const DONE = 250

/** What stands in a header stays on its line. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the ones to take out.
const oneLine = (text: string): string => text.replace(/[\u0000-\u001f\u007f]+/g, ' ').slice(0, 500)

/** The servers that a mail could not be handed to say so in `rejected`, though others have taken it. */
const textOf = (info: { response?: string; rejected?: readonly unknown[] }): string => {
  const rejected = (info.rejected ?? []).map(String)
  return [info.response ?? '', ...(rejected.length > 0 ? [`not taken for: ${rejected.join(', ')}`] : [])].join('\n')
}

const answerOf = (error: unknown): MailAnswer | undefined => {
  const { responseCode, response } = error as { responseCode?: unknown; response?: unknown }
  if (typeof responseCode !== 'number' || responseCode < REFUSED_FROM) return undefined
  return { statusCode: responseCode, text: typeof response === 'string' ? response : messageOf(error) }
}

export const makeMailer = ({ allow, timeoutMs, lookup = systemLookup, ca }: MailerOptions): Mailer => {
  const guarded = makeGuardedConnect(makeOutboundPolicy(allow), lookup, timeoutMs)
  const open = makeGuardedConnect(makeOutboundPolicy(['*']), lookup, timeoutMs)

  const connect = ({ host, port, isOperators }: MailServer): Promise<Socket> =>
    new Promise((resolve, reject) => {
      const target = { hostname: host, host: `${host}:${port}`, protocol: 'http:', port: String(port) }
      // A plain connection; it is encrypted by what speaks over it.
      const dial = isOperators ? open : guarded
      dial(target, (error, socket) => (error ? reject(error) : resolve(socket as Socket)))
    })

  return {
    async send(server, mail, signal) {
      const { host, port, security, user, password, from } = server
      const timeout = AbortSignal.timeout(timeoutMs)
      let socket: Socket | undefined
      try {
        // Not every house sends mail: its library is loaded by the first one.
        const { createTransport } = await import('nodemailer')
        signal.throwIfAborted()
        socket = await connect(server)
        const opened = socket
        const transport = createTransport({
          host,
          port,
          secure: security === 'tls',
          requireTLS: security === 'starttls',
          ignoreTLS: security === 'none',
          ...(user !== null && { auth: { user, pass: password ?? '' } }),
          getSocket: (_options, callback) => callback(null, { connection: opened }),
          connectionTimeout: timeoutMs,
          greetingTimeout: timeoutMs,
          socketTimeout: timeoutMs,
          disableFileAccess: true,
          disableUrlAccess: true,
          ...(ca !== undefined && { tls: { ca: [...rootCertificates, ca] } }),
        })
        const sending = transport.sendMail({
          from,
          to: [...mail.to],
          subject: oneLine(mail.subject),
          text: mail.text,
          messageId: `<${mail.messageId}@aidos>`,
          headers: { 'Auto-Submitted': 'auto-generated' },
        })
        const info = await Promise.race([sending, aborted(AbortSignal.any([signal, timeout]))])
        return { statusCode: DONE, text: textOf(info) }
      } catch (error) {
        const answer = answerOf(error)
        if (answer) return answer
        if (signal.aborted) throw signal.reason
        if (error instanceof AppError) throw error
        const why = timeout.aborted ? `it did not answer within ${timeoutMs} ms` : messageOf(error)
        throw deliveryErrors.mail_failed(`the mail server ${host} could not be used: ${why}`, { cause: error })
      } finally {
        socket?.destroy()
      }
    },
  }
}

const aborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason)
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
