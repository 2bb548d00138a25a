import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, test } from 'node:test'
import { compile, parseDefinition, run, validate } from '../../src/asl/index.ts'
import type { Json, JsonObject } from '../../src/platform/json.ts'
import { makeFakeHost } from './fake-host.ts'

const text = readFileSync(path.resolve(import.meta.dirname, '../../docs/asl.md'), 'utf8')
const blocks = [...text.matchAll(/```(json|yaml)\n([\s\S]*?)```/g)].filter(([, , source]) =>
  source?.includes('StartAt'),
)
const examples = blocks.map(([, format, source]) => {
  const parsed = parseDefinition(source!, format as 'json' | 'yaml')
  assert.ok(parsed.ok, source)
  return parsed.definition
})

describe('the examples of docs/asl.md', () => {
  test('are valid, without a warning', () => {
    assert.equal(examples.length, 2)
    for (const example of examples) assert.deepEqual(validate(example).findings, [])
  })

  test('let an approval decide about a large refund', async () => {
    const approve = (approved: boolean) =>
      makeFakeHost(({ resource }): Json => {
        if (resource === 'agent:refund-clerk') return { amount: 250 }
        return resource === 'signal:approved' ? { approved } : 'done'
      })
    const program = compile(examples[0] as JsonObject)
    const input = { orderId: '4711' }
    const yes = approve(true)
    assert.deepEqual(await run(program, { input, host: yes }), { status: 'SUCCEEDED', output: 'done' })
    assert.deepEqual(yes.requests.at(-1)?.input, { orderId: '4711', amount: 250 })
    assert.deepEqual(await run(program, { input, host: approve(false) }), {
      status: 'SUCCEEDED',
      output: { refunded: 0 },
    })
  })

  test('review all documents even where one review fails', async () => {
    const host = makeFakeHost(({ input }) => {
      if ((input as JsonObject).document === 'bad') throw new Error('unreadable')
      return 'fine'
    })
    const input = { documents: ['a', 'bad', 'c'], guidelines: 'be kind' }
    const result = await run(compile(examples[1] as JsonObject), { input, host })
    assert.deepEqual(result, { status: 'SUCCEEDED', output: { text: '3 documents reviewed' } })
    const reviews = host.transitions.find(({ type }) => type === 'MapStateExited')?.output as { reviews: JsonObject[] }
    assert.deepEqual(reviews.reviews[1], { number: 1, error: 'States.TaskFailed' })
  })
})
