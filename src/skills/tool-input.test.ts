import assert from 'node:assert/strict'
import test from 'node:test'
import { AppError } from '../platform/errors.ts'
import type { JsonSchema } from '../platform/json.ts'
import type { Tool, ToolCall } from './tool.ts'
import { makeSchemaCompiler, withInputCheck } from './tool-input.ts'

const call: ToolCall = {
  signal: new AbortController().signal,
  idempotencyKey: 'k',
  tenantId: 't',
  projectId: null,
  attempt: 1,
  heartbeat() {},
}

const schema: JsonSchema = {
  type: 'object',
  required: ['city'],
  additionalProperties: false,
  properties: { city: { type: 'string' }, days: { type: 'integer', minimum: 1 }, unit: { enum: ['C', 'F'] } },
}

const tool: Tool = { name: 'weather', description: '', inputSchema: schema, run: async () => 'sunny' }

test('withInputCheck() lets a fitting input through', async () => {
  assert.equal(
    await withInputCheck(tool, makeSchemaCompiler()).run({ city: 'Bonn', days: 2, unit: 'C' }, call),
    'sunny',
  )
})

test('withInputCheck() names each wrong field, what was given and what is expected', async () => {
  const checked = withInputCheck(tool, makeSchemaCompiler())
  const error = await checked.run({ days: 'two', unit: 'K', colour: 'red' }, call).then(
    () => assert.fail('should be refused'),
    (e: unknown) => e,
  )
  assert.ok(error instanceof AppError)
  assert.equal(error.code, 'tool_input_invalid')
  assert.equal(error.retryable, false)
  const byPath = new Map(error.findings?.map((f) => [f.path, f]))
  assert.equal(byPath.get('/city')?.message, 'is missing')
  assert.equal(byPath.get('/city')?.expected, 'a field of type string')
  assert.equal(byPath.get('/days')?.given, 'two')
  assert.equal(byPath.get('/days')?.expected, 'integer')
  assert.equal(byPath.get('/unit')?.expected, 'one of ["C","F"]')
  assert.equal(byPath.get('/colour')?.expected, 'one of city, days, unit')
  assert.match(error.message, /tool weather/)
})

test('the schema compiler refuses what is no schema', () => {
  const compile = makeSchemaCompiler()
  for (const bad of [{ type: 'strnig' }, { $ref: '#/nowhere' }, { pattern: '(' }, { $ref: 'http://127.0.0.1/x' }])
    assert.throws(() => compile(bad), { code: 'tool_schema_invalid' }, JSON.stringify(bad))
  assert.throws(() => compile({ description: 'x'.repeat(70_000) }), { code: 'tool_schema_invalid' })
})

test('the schema compiler keeps schemas with the same $id apart', () => {
  const compile = makeSchemaCompiler()
  const first = compile({ $id: 'urn:a:x', type: 'string' })
  const second = compile({ $id: 'urn:a:x', type: 'number' })
  assert.deepEqual([first('a').length, second('a').length], [0, 1])
})

test('a schema check stops a catastrophic pattern', () => {
  const check = makeSchemaCompiler()({ type: 'string', pattern: '^(a+)+$' })
  assert.deepEqual(check('aaaa'), [])
  assert.equal(check('b')[0]?.expected, 'match pattern "^(a+)+$"')
  assert.match(check(`${'a'.repeat(40)}b`)[0]?.message ?? '', /cannot be checked.*timed out/)
})

test('a schema check stops a schema that branches without end', () => {
  const step = (next: number) => ({ allOf: [{ $ref: `#/$defs/d${next}` }, { $ref: `#/$defs/d${next}` }] })
  const $defs = Object.fromEntries(
    Array.from({ length: 40 }, (_, i) => [`d${i}`, i === 39 ? { type: 'string' } : step(i + 1)]),
  )
  const check = makeSchemaCompiler()({ $defs, $ref: '#/$defs/d0' })
  assert.match(check('x')[0]?.message ?? '', /cannot be checked/)
  const circular = makeSchemaCompiler()({ $defs: { a: { allOf: [{ $ref: '#/$defs/a' }] } }, $ref: '#/$defs/a' })
  assert.match(circular('x')[0]?.message ?? '', /cannot be checked/)
})

test('the schema compiler goes on after a schema that was no good', () => {
  const compile = makeSchemaCompiler()
  assert.throws(() => compile({ type: 'nothing' }))
  assert.equal(compile({ type: 'string' })(1).length, 1)
})

test('a check that stood still without working, as on a machine under load, is given time', () => {
  const check = makeSchemaCompiler()({ type: 'object', properties: { slow: { type: 'number' } } })
  const still = new Int32Array(new SharedArrayBuffer(4))
  const value = {
    get slow() {
      Atomics.wait(still, 0, 0, 150)
      return 'text'
    },
  }
  assert.match(check(value)[0]?.message ?? '', /number/)
})
