import assert from 'node:assert/strict'
import test from 'node:test'
import { Webhook } from 'standardwebhooks'
import { makeWebhookSecret, webhookHeaders } from './webhook.ts'

/** Published with the specification. */
const VECTOR = {
  secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
  message: { id: 'msg_p5jXN8AQM9LWM0D4loKWxJek', body: '{"test": 2432232314}', atMs: 1_614_265_330_000 },
  signature: 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
}

test('webhookHeaders() gives the signature of the published vector', () => {
  assert.deepEqual(webhookHeaders(VECTOR.message, [VECTOR.secret]), {
    'webhook-id': VECTOR.message.id,
    'webhook-timestamp': '1614265330',
    'webhook-signature': VECTOR.signature,
  })
})

test('webhookHeaders() signs with two secrets, and a receiver with either is content', () => {
  const secrets = [makeWebhookSecret(), makeWebhookSecret()]
  const message = { id: 'msg_1', body: '{"a":"ü"}', atMs: Date.now() }
  const headers = webhookHeaders(message, secrets)
  for (const secret of secrets) assert.deepEqual(new Webhook(secret).verify(message.body, headers), { a: 'ü' })
  assert.throws(() => new Webhook(makeWebhookSecret()).verify(message.body, headers))
})

test('makeWebhookSecret() gives another secret each time, as long as the specification asks', () => {
  const [one, two] = [makeWebhookSecret(), makeWebhookSecret()]
  assert.notEqual(one, two)
  assert.equal(Buffer.from(one.slice('whsec_'.length), 'base64').length, 32)
})
