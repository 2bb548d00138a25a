import assert from 'node:assert/strict'
import { validateHeaderValue } from 'node:http'
import { test } from 'node:test'
import { safePath } from './oidc.ts'

test('safePath() gives what a header can hold, and what leads to the same place', () => {
  for (const path of ['/läufe/漢字?q=ü', '/\u0001x', '/\ud800', '/😀']) {
    const safe = safePath(path)
    assert.doesNotThrow(() => validateHeaderValue('location', safe), JSON.stringify(path))
    assert.equal(new URL(safe, 'https://a').href, new URL(path, 'https://a').href)
  }
  assert.equal(safePath('/a%20b?c=%2F&d=é'), '/a%20b?c=%2F&d=%C3%A9')
})

test('safePath() gives nothing that would not fit into a cookie with the rest', () => {
  assert.equal(safePath(`/${'é'.repeat(1000)}`), '/')
  assert.equal(safePath(`/${'e'.repeat(1000)}`).length, 1001)
})
