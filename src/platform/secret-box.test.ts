import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import test from 'node:test'
import { makeSecretBox } from './secret-box.ts'

const key = randomBytes(32)
const box = makeSecretBox(key)

test('a sealed secret opens again, for its place alone', () => {
  const sealed = box.seal('geheim ✓', 'channel:1')
  assert.equal(box.open(sealed, 'channel:1'), 'geheim ✓')
  assert.equal(makeSecretBox(Buffer.from(key)).open(sealed, 'channel:1'), 'geheim ✓')
  assert.throws(() => box.open(sealed, 'channel:2'), { code: 'secret_unreadable' })
})

test('a sealed secret shows neither the secret nor that two are the same', () => {
  const [one, two] = [box.seal('geheim', 'a'), box.seal('geheim', 'a')]
  assert.notEqual(one, two)
  assert.equal(Buffer.from(one.split('.')[1] as string, 'base64url').includes('geheim'), false)
})

test('open() refuses another key, a changed byte, a cut text and an unknown form', () => {
  const sealed = box.seal('geheim', 'a')
  const bytes = Buffer.from(sealed.slice(3), 'base64url')
  const changedAt = (i: number): string => {
    const copy = Buffer.from(bytes)
    copy[i] = (copy[i] as number) ^ 1
    return `v1.${copy.toString('base64url')}`
  }
  for (let i = 0; i < bytes.length; i++)
    assert.throws(() => box.open(changedAt(i), 'a'), { code: 'secret_unreadable' }, `byte ${i}`)
  for (const wrong of [sealed.slice(0, -4), 'v1.', '', 'v1', sealed.replace('v1', 'v2')])
    assert.throws(() => box.open(wrong, 'a'), { code: 'secret_unreadable' }, wrong)
  assert.throws(() => makeSecretBox(randomBytes(32)).open(sealed, 'a'), { code: 'secret_unreadable' })
})

test('makeSecretBox() refuses a key of another length', () => {
  assert.throws(() => makeSecretBox(randomBytes(16)), { code: 'secret_key_invalid', message: /16 bytes; needed: 32/ })
})
