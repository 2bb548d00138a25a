/** How a delivery is put to each kind of channel: the call, what the log keeps of it, and the answer in one form for all. */
import type { Clock } from '../platform/clock.ts'
import { withoutNul } from '../platform/db/text.ts'
import type { Json } from '../platform/json.ts'
import type { Outbound } from '../platform/outbound/outbound.ts'
import type { SecretBox } from '../platform/secret-box.ts'
import { secretsOf, serverOf, urlOf } from './channel-secrets.ts'
import { toCloudEvent } from './cloud-event.ts'
import { deliveryErrors } from './errors.ts'
import type { Liquids } from './liquid.ts'
import type { Mailer, MailServer } from './mail.ts'
import { escapeSlack, toText } from './message.ts'
import type { Channel, Delivery, Message, TemplateText } from './types.ts'
import { webhookHeaders } from './webhook.ts'

export interface Answer {
  /** 2xx is success, for SMTP as for HTTP. */
  readonly statusCode: number
  readonly retryAfter: string | undefined
  /** The beginning of the body. */
  readonly text: string
}

export interface Call {
  /** For the log: nothing secret, and cut. */
  readonly request: Json
  /** Rejects when there was no answer. */
  make(signal: AbortSignal): Promise<Answer>
}

export interface SendOptions {
  readonly clock: Clock
  readonly outbound: Outbound
  readonly mailer: Mailer
  readonly liquids: Liquids
  readonly box: SecretBox
  /** The operator's mail server, for channels that name none. */
  readonly mailServer: MailServer | undefined
  readonly timeoutMs: number
}

export type Send = (channel: Channel, delivery: Delivery, template: TemplateText | undefined) => Call

/** What the log keeps of a body. */
const LOGGED_CHARACTERS = 2000
const RESPONSE_BYTES = 8192

export const makeSend = (options: SendOptions): Send => {
  const { clock, outbound, mailer, liquids, box, timeoutMs } = options

  const post = (
    url: string,
    shownUrl: string,
    body: string,
    headers: Record<string, string>,
    secret: string[],
  ): Call => {
    const shown = Object.fromEntries(Object.entries(headers).filter(([name]) => !secret.includes(name)))
    return {
      request: { method: 'POST', url: shownUrl, headers: shown, body: cut(body) },
      async make(signal) {
        const answer = await outbound.stream(url, { method: 'POST', headers, body, timeoutMs, signal })
        return {
          statusCode: answer.status,
          retryAfter: answer.headers['retry-after'],
          text: await beginningOf(answer.body),
        }
      },
    }
  }

  const webhook = (channel: Channel, delivery: Delivery, message: Message): Call => {
    const isCloudEvent = channel.settings.envelope === 'cloudevents'
    const plain = { body: delivery.message, contentType: 'application/json' }
    const { body, contentType } = isCloudEvent ? toCloudEvent(delivery, message) : plain
    const atMs = clock.now()
    const signed = webhookHeaders({ id: delivery.messageId, body, atMs }, secretsOf(channel, box, atMs))
    const url = urlOf(channel, box)
    return post(url, url, body, { 'content-type': contentType, ...signed }, ['webhook-signature'])
  }

  const slack = (channel: Channel, message: Message, template: TemplateText | undefined): Call => {
    const { subject, body } = toText(message, template, liquids, escapeSlack)
    const text = template ? body : [subject, body].filter((line) => line !== '').join('\n')
    const url = urlOf(channel, box)
    // The path of the address is a secret.
    const shownUrl = `${new URL(url).origin}/…`
    return post(url, shownUrl, JSON.stringify({ text }), { 'content-type': 'application/json' }, [])
  }

  const email = (channel: Channel, delivery: Delivery, message: Message, template: TemplateText | undefined): Call => {
    if (channel.config.kind !== 'email') throw new Error('no mail channel')
    const server = serverOf(channel, box) ?? options.mailServer
    if (!server)
      throw deliveryErrors.mail_not_configured('the channel names no mail server, and the operator has set none')
    const { to } = channel.config
    const { subject, body } = toText(message, template, liquids)
    const text = body === '' ? subject : template ? body : `${subject}\n\n${body}`
    // Where the operator's server stands is no business of a tenant.
    const host = server.isOperators ? null : `${server.host}:${server.port}`
    return {
      request: { method: 'SMTP', host, from: server.from, to: [...to], subject, body: cut(text) },
      async make(signal) {
        const answer = await mailer.send(server, { to, subject, text, messageId: delivery.messageId }, signal)
        return { ...answer, text: clean(answer.text), retryAfter: undefined }
      },
    }
  }

  return (channel, delivery, template) => {
    const message = JSON.parse(delivery.message) as Message
    switch (channel.config.kind) {
      case 'webhook':
        return webhook(channel, delivery, message)
      case 'slack':
        return slack(channel, message, template)
      case 'email':
        return email(channel, delivery, message, template)
      case 'inbox':
        throw new Error('nothing is sent to an inbox')
    }
  }
}

const cut = (text: string): string => text.slice(0, LOGGED_CHARACTERS)
const clean = (text: string): string => cut(withoutNul(text))

/** The status has come: whatever happens to the body does not change how the receiver decided. */
const beginningOf = async (body: AsyncIterable<Uint8Array>): Promise<string> => {
  const chunks: Uint8Array[] = []
  let bytes = 0
  try {
    for await (const chunk of body) {
      chunks.push(chunk)
      bytes += chunk.length
      if (bytes >= RESPONSE_BYTES) break
    }
  } catch {
    // What came is enough.
  }
  return clean(Buffer.concat(chunks).toString('utf8'))
}
