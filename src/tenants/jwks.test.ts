import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { until } from '../../test/support/until.ts'
import { makeFakeClock } from '../platform/clock.ts'
import { makeTokenVerifier } from './tokens.ts'

const MINUTE_MS = 60_000
const issuer = 'https://id.example.org'
const makeKey = async (kid: string) => {
  const { publicKey, privateKey } = await generateKeyPair('ES256')
  return { kid, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg: 'ES256' } }
}
const [one, two] = await Promise.all([makeKey('one'), makeKey('two')])

/** A place that publishes keys, or fails as told; it counts how often it is asked. */
const setUp = async (t: TestContext) => {
  const state = { status: 200, keys: [one.jwk], asked: 0, gate: Promise.resolve() }
  const server = createServer((_, response) => {
    state.asked++
    const body = JSON.stringify({ keys: state.keys })
    void state.gate.then(() => response.writeHead(state.status, { 'content-type': 'application/json' }).end(body))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const clock = makeFakeClock()
  const told: string[] = []
  const verify = makeTokenVerifier({
    ...{ issuer, audience: 'aidos', clock, fetch },
    jwksUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    onOutage: (error) => told.push(`outage: ${(error as Error).message}`),
    onRecovery: () => told.push('recovery'),
  })
  const sign = ({ kid, privateKey }: typeof one) =>
    new SignJWT({ iss: issuer, aud: 'aidos', sub: 'ada', exp: clock.now() / 1000 + 86_400 })
      .setProtectedHeader({ alg: 'ES256', kid })
      .sign(privateKey)
  const [good, other] = [await sign(one), await sign(two)]
  /** `true`: good. `false`: wrong. `'unknown'`: nobody can say. */
  const ask = async (token = good) =>
    verify(token).then(
      (claims) => claims !== undefined,
      (error: { code?: string }) => (error.code === 'identity_unavailable' ? 'unknown' : Promise.reject(error)),
    )
  return { state, clock, told, ask, other }
}

test('keys that cannot be read are asked for seldom, however many tokens come', async (t) => {
  const { state, clock, ask, told } = await setUp(t)
  state.status = 500
  for (let i = 0; i < 20; i++) assert.equal(await ask(), 'unknown')
  assert.equal(state.asked, 1)
  // After one second, two, four, … and half a minute at the most: they are missed for no longer than that.
  for (let i = 0; i < 600; i++) {
    clock.advance(1000)
    await ask()
  }
  assert.ok(state.asked > 20 && state.asked < 30, String(state.asked))
  assert.deepEqual(told, ['outage: the answer has the status 500'])
  state.status = 200
  clock.advance(30_000)
  assert.equal(await ask(), true)
  assert.deepEqual(told.slice(1), ['recovery'])
})

test('after an outage that was short the keys are there within a second', async (t) => {
  const { state, clock, ask } = await setUp(t)
  state.status = 503
  assert.equal(await ask(), 'unknown')
  state.status = 200
  clock.advance(999)
  assert.equal(await ask(), 'unknown')
  clock.advance(1)
  assert.equal(await ask(), true)
})

test('tokens that come while the keys are being read ask once together', async (t) => {
  const { state, ask } = await setUp(t)
  assert.deepEqual(new Set(await Promise.all(Array.from({ length: 20 }, () => ask()))), new Set([true]))
  assert.equal(state.asked, 1)
})

test('keys that were good go on counting through an outage, for an hour, and nobody waits for it', async (t) => {
  const { state, clock, ask, other } = await setUp(t)
  const startMs = clock.now()
  assert.equal(await ask(), true)
  state.status = 500
  clock.advance(10 * MINUTE_MS)
  assert.equal(await ask(), true)
  assert.equal(state.asked, 2)
  // A provider that does not answer at all.
  const answer = Promise.withResolvers<void>()
  state.gate = answer.promise
  clock.advance(MINUTE_MS)
  assert.equal(await ask(), true)
  await until('the question', () => state.asked === 3)
  answer.resolve()
  await until('its end, after which there is another one', async () => {
    clock.advance(10_000)
    await ask()
    return state.asked > 3
  })
  // Whether another key is known by now nobody can say.
  assert.equal(await ask(other), 'unknown')
  clock.advance(startMs + 60 * MINUTE_MS - 1 - clock.now())
  assert.equal(await ask(), true)
  clock.advance(1)
  assert.equal(await ask(), 'unknown')
})

test('a token by a key that is not published has the keys read again, every 5 seconds at the most', async (t) => {
  const { state, clock, ask, other } = await setUp(t)
  for (let i = 0; i < 5; i++) assert.equal(await ask(other), false)
  assert.equal(state.asked, 1)
  state.keys = [one.jwk, two.jwk]
  clock.advance(5000)
  assert.deepEqual([await ask(other), await ask()], [true, true])
  assert.equal(state.asked, 2)
  // An outage makes that no more.
  state.keys = [one.jwk]
  clock.advance(5000)
  state.status = 500
  assert.equal(await ask(), true)
  assert.equal(state.asked, 2)
})

test('keys are read again after ten minutes: one that was withdrawn counts no more', async (t) => {
  const { state, clock, ask } = await setUp(t)
  assert.equal(await ask(), true)
  state.keys = [two.jwk]
  clock.advance(10 * MINUTE_MS - 1)
  assert.equal(await ask(), true)
  clock.advance(1)
  assert.equal(await ask(), false)
})
