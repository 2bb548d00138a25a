/** Values to send: such as a schema allows, such as nobody expects, and texts that mean something to this API. */
import fc from 'fast-check'
import type { Json } from '../../../src/platform/json.ts'
import type { Schema } from './openapi.ts'

/** Stands for a number that JSON can write and a double cannot hold; put in when the body is written. */
export const HUGE_NUMBER = '@@1e999@@'

const HOSTILE_TEXTS = [
  '',
  '\u0000',
  'a\u0000b',
  '\ud800',
  '\udfff\ud800',
  '\\u0000',
  '__proto__',
  'constructor',
  'toString',
  "' OR 1=1 --",
  '%00',
  '../../etc/passwd',
  '\u202e\u2028\ufeff',
  'x'.repeat(600),
  'x'.repeat(20_000),
  '{% $x( %}',
  '{{ input | nothing: 1 }}',
  '$..[?(@',
  HUGE_NUMBER,
]
const HOSTILE_NUMBERS = [-1, -0, 0.5, 1e-320, 1e308, -1e308, 2 ** 53, 2 ** 53 - 1, 2 ** 31, 2 ** 63, 8.64e15 + 1]

/** Texts of the forms that the API reads. */
const WORDS = [
  '2026-02-28T23:59:60Z',
  '0000-01-01T00:00:00Z',
  '9999-12-31T23:59:59.999+14:00',
  '2026-10-25T02:30:00+02:00',
  '2 days',
  '1e3 s',
  '999999999999999999 weeks',
  '0 ms',
  '* * * * *',
  '*/5 * * * * *',
  '0 0 31 2 *',
  '@reboot',
  'Europe/Berlin',
  'Mars/Base',
  'skill:core/echo',
  'skill:core/fail',
  'skill:core/noop',
  'core/echo@1',
  'run.*',
  '*',
  '*:read',
  'webhook',
  'http://127.0.0.1:9/x',
  'http://[::ffff:127.0.0.1]/',
  'https://hooks.invalid/x',
  'file:///etc/passwd',
  '00000000-0000-0000-0000-000000000000',
]

const DURATIONS = [
  '1h',
  '2 days',
  '0 ms',
  '1h 30m',
  '5 s',
  '4000 weeks',
  '999999999999 weeks',
  '99999999999999999999 days',
]
const TIMES = [
  '2026-10-25T02:30:00+02:00',
  '2030-01-01T00:00:00Z',
  '1970-01-01T00:00:00Z',
  '0000-01-01T00:00:00Z',
  '9999-12-31T23:59:59-14:00',
]

/** What a field of that name mostly holds, so that a good part of the requests gets past the first check. */
const BY_NAME: Readonly<Record<string, readonly string[]>> = {
  delay: DURATIONS,
  maxDelay: DURATIONS,
  timeout: DURATIONS,
  heartbeatTimeout: DURATIONS,
  wallTime: DURATIONS,
  every: DURATIONS,
  jitter: DURATIONS,
  catchUp: DURATIONS,
  from: TIMES,
  until: TIMES,
  to: TIMES,
  runAt: TIMES,
  startAt: TIMES,
  endAt: TIMES,
  at: TIMES,
  anchor: TIMES,
  expiresAt: TIMES,
  deadline: TIMES,
  cron: ['* * * * *', '*/5 * * * * *', '0 0 31 2 *', '0 9 * * 1-5', '@daily', '0 0 29 2 *'],
  timeZone: ['UTC', 'Europe/Berlin', 'Australia/Lord_Howe', 'Mars/Base'],
  kind: [
    'skill:core/echo',
    'skill:core/fail',
    'skill:core/noop',
    'skill:second-function/main',
    'skill:first-function/main',
  ],
  task: ['skill:core/echo', 'skill:core/fail'],
  workflow: ['second-workflow', 'first-workflow'],
  agent: ['second-agent', 'first-agent'],
  url: ['https://hooks.invalid/x', 'http://127.0.0.1:9/x', 'http://[::ffff:127.0.0.1]/'],
  types: ['*', 'run.*', '*.failed'],
  scopes: ['*', 'runs:read', '*:read', 'runs:*', 'tenants:write'],
  skills: ['core/echo', 'core', 'second-function', 'first-function'],
  'workflows/name': ['second-workflow'],
  'agents/name': ['second-agent'],
  'skills/name': ['second-function', 'second-http', 'core'],
  'schedules/name': ['second-schedule', 'second-interval'],
}

const nested = (depth: number): Json => {
  let value: Json = 'end'
  for (let i = 0; i < depth; i++) value = i % 2 === 0 ? [value] : { a: value }
  return value
}

/** An own key of that name, as `JSON.parse` makes it and a literal does not. */
const PROTO = JSON.parse('{"__proto__":{"polluted":true}}') as Json
const CONSTRUCTOR = JSON.parse('{"constructor":{"prototype":{"polluted":true}}}') as Json

export interface Values {
  readonly texts: fc.Arbitrary<string>
  readonly hostile: fc.Arbitrary<Json>
  fits(schema: Schema, name?: string): fc.Arbitrary<Json>
}

/** `known` are names and ids of things that exist, `usual` what a field or path parameter of some name mostly holds. */
export const makeValues = (
  known: readonly string[],
  components: Readonly<Record<string, Schema>>,
  usual: Readonly<Record<string, readonly string[]>>,
): Values => {
  const texts = fc.oneof(
    { weight: 5, arbitrary: fc.constantFrom(...known) },
    { weight: 2, arbitrary: fc.constantFrom(...WORDS) },
    { weight: 2, arbitrary: fc.constantFrom(...HOSTILE_TEXTS) },
    fc.string({ unit: 'binary', maxLength: 30 }),
  )
  const numbers = fc.oneof(fc.constantFrom(...HOSTILE_NUMBERS), fc.integer(), fc.double({ noNaN: true }))
  const hostile: fc.Arbitrary<Json> = fc.oneof(
    texts,
    numbers,
    fc.constantFrom<Json>(null, true, [], {}, PROTO, CONSTRUCTOR, nested(20), nested(95), nested(2000)),
    fc.dictionary(texts, fc.oneof(texts, numbers), { maxKeys: 4 }) as fc.Arbitrary<Json>,
    fc.array(texts, { maxLength: 5 }),
    fc.constant(Array.from({ length: 3000 }, (_, i) => i)),
  )

  const objects = (schema: Schema): fc.Arbitrary<Json> => {
    const properties = Object.entries((schema.properties ?? {}) as Record<string, Schema>)
    if (properties.length === 0) return fc.dictionary(fc.string({ maxLength: 10 }), hostile, { maxKeys: 4 })
    const required = (schema.required ?? []) as string[]
    const model = Object.fromEntries(properties.map(([name, part]) => [name, fits(part, name)]))
    return fc.record(model, { requiredKeys: required, noNullPrototype: true }) as fc.Arbitrary<Json>
  }

  const strings = (schema: Schema, name: string): fc.Arbitrary<string> => {
    const texts = usual[name] ?? BY_NAME[name]
    const others = stringsOf(schema)
    return texts ? fc.oneof({ weight: 6, arbitrary: fc.constantFrom(...texts) }, others) : others
  }

  const stringsOf = (schema: Schema): fc.Arbitrary<string> => {
    const { minLength = 0, maxLength = 200 } = schema as { minLength?: number; maxLength?: number }
    if (schema.format === 'date-time')
      return fc
        .date({ min: new Date('0001-01-01'), max: new Date('9999-01-01'), noInvalidDate: true })
        .map((d) => d.toISOString())
    const pattern = schema.pattern === undefined ? undefined : new RegExp(String(schema.pattern))
    if (pattern) return texts.map((text) => (pattern.test(text) ? text : `n${text.replace(/[^a-z]/g, '').slice(0, 9)}`))
    return texts.map((text) => text.slice(0, maxLength).padEnd(minLength, 'x'))
  }

  const integers = (schema: Schema): fc.Arbitrary<number> => {
    const bounds = schema as { minimum?: number; maximum?: number }
    const [minimum, maximum] = [Math.ceil(bounds.minimum ?? -1e9), Math.floor(bounds.maximum ?? 2 ** 53 - 1)]
    return fc.oneof(
      fc.integer({ min: minimum, max: Math.min(maximum, minimum + 50) }),
      fc.constantFrom(minimum, maximum),
      fc.maxSafeInteger().map((n) => Math.min(Math.max(n, minimum), maximum)),
    )
  }

  const fits = (schema: Schema, name = ''): fc.Arbitrary<Json> => {
    if (typeof schema.$ref === 'string') {
      const target = components[schema.$ref.replace('#/components/schemas/', '')]
      return target && !JSON.stringify(target).includes(schema.$ref) ? fits(target, name) : hostile
    }
    const options = (schema.anyOf ?? schema.oneOf) as readonly Schema[] | undefined
    if (options) return fc.oneof(...options.map((option) => fits(option, name)))
    if ('const' in schema) return fc.constant(schema.const as Json)
    if (Array.isArray(schema.enum)) return fc.constantFrom(...(schema.enum as Json[]))
    switch (schema.type) {
      case 'object':
        return objects(schema)
      case 'array':
        return fc.array(fits((schema.items ?? {}) as Schema, name), {
          minLength: Number(schema.minItems ?? 0),
          maxLength: Number(schema.minItems ?? 0) + 3,
        })
      case 'string':
        return strings(schema, name)
      case 'integer':
        return integers(schema)
      case 'number':
        return integers(schema).map((n) => n / 2)
      case 'boolean':
        return fc.boolean()
      case 'null':
        return fc.constant(null)
      default:
        return hostile
    }
  }
  return { texts, hostile, fits }
}
