import assert from 'node:assert/strict'
import { createCipheriv, randomBytes } from 'node:crypto'
import test from 'node:test'
import { makeSecretBox } from './secret-box.ts'
import { makeSecretKeys } from './secret-keys.ts'

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
  assert.equal(Buffer.from(one.split('.')[2] as string, 'base64url').includes('geheim'), false)
})

test('open() refuses another key, a changed byte, a cut text and an unknown form', () => {
  const sealed = box.seal('geheim', 'a')
  const head = sealed.slice(0, sealed.lastIndexOf('.') + 1)
  const bytes = Buffer.from(sealed.slice(head.length), 'base64url')
  const changedAt = (i: number): string => {
    const copy = Buffer.from(bytes)
    copy[i] = (copy[i] as number) ^ 1
    return head + copy.toString('base64url')
  }
  for (let i = 0; i < bytes.length; i++)
    assert.throws(() => box.open(changedAt(i), 'a'), { code: 'secret_unreadable' }, `byte ${i}`)
  for (const wrong of [sealed.slice(0, -4), head, 'v1.', 'v2.', '', 'v1', sealed.replace('v2', 'v1'), `${sealed}.x`])
    assert.throws(() => box.open(wrong, 'a'), { code: 'secret_unreadable' }, wrong)
  assert.throws(() => makeSecretBox(randomBytes(32)).open(sealed, 'a'), { code: 'secret_unreadable' })
})

test('makeSecretBox() refuses a key of another length', () => {
  assert.throws(() => makeSecretBox(randomBytes(16)), { code: 'secret_key_invalid', message: /16 bytes; needed: 32/ })
})

test('after a change of the key, what was sealed before opens and is told apart', () => {
  const [before, after] = [randomBytes(32), randomBytes(32)]
  const sealed = makeSecretBox(before).seal('geheim', 'a')
  const both = makeSecretBox(
    makeSecretKeys(
      () => [after, before],
      () => 0,
    ),
  )
  assert.equal(both.open(sealed, 'a'), 'geheim')
  assert.equal(both.isCurrent(sealed), false)
  const again = both.seal('geheim', 'a')
  assert.equal(both.isCurrent(again), true)
  assert.equal(makeSecretBox(after).open(again, 'a'), 'geheim')
  assert.throws(() => makeSecretBox(before).open(again, 'a'), { code: 'secret_unreadable' })
})

test('what was sealed before keys had ids opens under any key of the ring', () => {
  const [before, after] = [randomBytes(32), randomBytes(32)]
  const nonce = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', before, nonce).setAAD(Buffer.from('a'))
  const body = Buffer.concat([nonce, cipher.update('geheim', 'utf8'), cipher.final(), cipher.getAuthTag()])
  const both = makeSecretBox(
    makeSecretKeys(
      () => [after, before],
      () => 0,
    ),
  )
  assert.equal(both.open(`v1.${body.toString('base64url')}`, 'a'), 'geheim')
  assert.equal(both.isCurrent(`v1.${body.toString('base64url')}`), false)
})

test('a key that came after the start is found when something needs it, and looked for once a second', () => {
  const [before, after] = [randomBytes(32), randomBytes(32)]
  let kept = [before]
  let reads = 0
  let nowMs = 0
  const keys = makeSecretKeys(
    () => {
      reads++
      return kept
    },
    () => nowMs,
  )
  const ours = makeSecretBox(keys)
  const sealed = makeSecretBox(after).seal('geheim', 'a')
  nowMs = 1000
  for (let i = 0; i < 5; i++) assert.throws(() => ours.open(sealed, 'a'), { code: 'secret_unreadable' })
  assert.equal(reads, 2)
  kept = [after, before]
  nowMs = 2000
  assert.equal(ours.open(sealed, 'a'), 'geheim')
})
