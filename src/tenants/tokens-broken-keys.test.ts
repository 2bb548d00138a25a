import assert from 'node:assert/strict'
import { test } from 'node:test'
import { generateKeyPair, SignJWT } from 'jose'
import { makeFakeClock } from '../platform/clock.ts'
import { makeTokenVerifier } from './tokens.ts'

test('a provider that publishes something else than keys makes no token wrong: nobody can tell', async () => {
  const issuer = 'https://id.example.org'
  const { privateKey } = await generateKeyPair('ES256')
  const token = await new SignJWT({ iss: issuer, aud: 'aidos', sub: 'a', exp: 2_000_000_000 })
    .setProtectedHeader({ alg: 'ES256', kid: 'one' })
    .sign(privateKey)
  for (const published of ['{"error":"try later"}', '[]', '<html>', '{"keys":"none"}', 'null']) {
    const answer = async () => new Response(published, { headers: { 'content-type': 'application/json' } })
    const fetch = answer as unknown as typeof globalThis.fetch
    const options = { issuer, audience: 'aidos', jwksUrl: `${issuer}/keys`, clock: makeFakeClock(), fetch }
    await assert.rejects(makeTokenVerifier(options)(token), { code: 'identity_unavailable' }, published)
  }
})
