/** Signed webhooks after Standard Webhooks 1.0 (https://www.standardwebhooks.com). */
import { randomBytes } from 'node:crypto'
import { Webhook } from 'standardwebhooks'

/** The specification allows 24 to 64. */
const SECRET_BYTES = 32

export const makeWebhookSecret = (): string => `whsec_${randomBytes(SECRET_BYTES).toString('base64')}`

export interface WebhookMessage {
  readonly id: string
  readonly body: string
  readonly atMs: number
}

/** The headers that prove who sent it: one signature per secret, so that a receiver may change over at its leisure. */
export const webhookHeaders = (message: WebhookMessage, secrets: readonly string[]): Record<string, string> => {
  const { id, body, atMs } = message
  const at = new Date(atMs)
  return {
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(atMs / 1000)),
    'webhook-signature': secrets.map((secret) => new Webhook(secret).sign(id, at, body)).join(' '),
  }
}
