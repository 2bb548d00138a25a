import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { Json } from '../platform/json.ts'
import { defaultRunLimits } from './index.ts'
import { checkPayload, makePayloadScale } from './limits.ts'

describe('the payload scale', () => {
  test('weighs what has no escapes as its JSON text', () => {
    const plain = fc.string({ unit: fc.constantFrom('a', 'é', '漢', '😀', ' ') })
    const value = fc.letrec<{ json: Json }>((tie) => ({
      json: fc.oneof(
        { depthSize: 'small' },
        plain,
        fc.integer(),
        fc.boolean(),
        fc.constant(null),
        fc.array(tie('json')),
        fc.dictionary(plain, tie('json')),
      ),
    })).json
    const { bytes } = makePayloadScale()
    fc.assert(fc.property(value, (json) => assert.equal(bytes(json), Buffer.byteLength(JSON.stringify(json)))))
  })

  test('weighs a shared value as often as it occurs, without walking it again', () => {
    const { bytes } = makePayloadScale()
    let value: Json = 'x'.repeat(1_000)
    for (let i = 0; i < 50; i++) value = [value, value]
    assert.ok(bytes(value) > 1e17)
  })
})

test('checkPayload() names what is too large', () => {
  const scale = makePayloadScale()
  checkPayload(scale, 10, 'x'.repeat(8), 'The state')
  assert.throws(() => checkPayload(scale, 10, 'x'.repeat(9), 'The state'), /^EngineError|AslError|The state returned/)
})

test("the default payload limit is the service's", () => assert.equal(defaultRunLimits.payloadBytes, 256 * 1024))
