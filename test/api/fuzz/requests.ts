/** Requests for one route: as its schema wants them, broken in one place, or broken altogether. */
import fc from 'fast-check'
import type { Json } from '../../../src/platform/json.ts'
import type { Parameter, Route } from './openapi.ts'
import { HUGE_NUMBER, type Values } from './values.ts'

export interface FuzzRequest {
  readonly method: string
  readonly target: string
  readonly body: string | undefined
  readonly contentType: string | undefined
  /** Those that ask for care: keys that repeat, tags of things, traces. */
  readonly headers: Readonly<Record<string, string>>
  /** What was put into the path as an id. */
  readonly ids: readonly string[]
}

/** `encodeURIComponent`, but lone surrogates go out as the bytes that they would be. */
const encode = (text: string): string =>
  text.isWellFormed()
    ? encodeURIComponent(text)
    : [...text].map((c) => (c.isWellFormed() ? encodeURIComponent(c) : '%ED%A0%80')).join('')

const write = (value: Json): string => (JSON.stringify(value) ?? 'null').replaceAll(`"${HUGE_NUMBER}"`, '1e999')

/** The same value with one place of it, at some depth, replaced, taken away or added. */
const breakOnce = (value: Json, picks: readonly number[], hostile: Json): Json => {
  const [pick = 0, ...rest] = picks
  if (typeof value !== 'object' || value === null || rest.length === 0) return hostile
  const entries = Object.entries(value)
  const at = pick % (entries.length + 2)
  if (Array.isArray(value)) return value.map((item, i) => (i === at ? breakOnce(item, rest, hostile) : item))
  if (at === entries.length) return { ...value, unexpected: hostile }
  const kept = entries.flatMap(([key, item], i): [string, Json][] => {
    if (i !== at) return [[key, item]]
    return pick % 5 === 0 ? [] : [[key, breakOnce(item, rest, hostile)]]
  })
  return Object.fromEntries(kept)
}

const CURSORS = [[1e308, 'x'], [0.5, 'x'], [1, 'a\u0000'], [-1, ''], ['x', 'y'], { a: 1 }, null].map((cursor) =>
  Buffer.from(JSON.stringify(cursor)).toString('base64url'),
)

const parameterText = (parameter: Parameter, { texts, fits }: Values): fc.Arbitrary<string> => {
  if (parameter.name === 'wait') return fc.constantFrom('1', '0', '-1', 'NaN', '1e9', '', '\u0000')
  const valid = fits(parameter.schema, parameter.name).map((value) =>
    typeof value === 'string' ? value : write(value),
  )
  const cursors = fc.constantFrom(...CURSORS)
  return parameter.name === 'cursor' ? fc.oneof(cursors, texts) : fc.oneof({ weight: 9, arbitrary: valid }, texts)
}

const bodies = (route: Route, samples: readonly Json[], values: Values): fc.Arbitrary<string | undefined> => {
  const picks = fc.array(fc.nat(1000), { minLength: 1, maxLength: 6 })
  const valid = values.fits(route.body ?? {}).map((value) => value)
  const base = samples.length > 0 ? fc.oneof(fc.constantFrom(...samples), valid) : valid
  return fc.oneof(
    { weight: 6, arbitrary: base.map(write) },
    { weight: 5, arbitrary: fc.tuple(base, picks, values.hostile).map(([b, p, h]) => write(breakOnce(b, p, h))) },
    { weight: 1, arbitrary: values.hostile.map(write) },
    fc.constantFrom(undefined, '', '{', '[]', 'null', '{"a":1,"a":2}', '\ufeff{}', '{"\\ud800":1}', '['.repeat(90_000)),
  )
}

/** What may stand in a header at all: a client refuses to send the rest. */
const HEADER_VALUES = [
  '',
  ' ',
  '"',
  '"a',
  'W/"x"',
  '*',
  '"x", "y"',
  'x'.repeat(300),
  '\u00e9',
  '{"a":1}',
  "' or 1=1 --",
]
const HEADERS: Readonly<Record<string, readonly string[]>> = {
  // Few, so that they meet: with the same content, with another, from another tenant.
  'idempotency-key': ['one', 'two', '"one"', 'k'.repeat(255), ...HEADER_VALUES],
  'if-match': ['*', '"none"', ...HEADER_VALUES],
  'if-none-match': ['*', '"none"', ...HEADER_VALUES],
  'x-request-id': ['sane-1', '../../etc', ...HEADER_VALUES],
  traceparent: ['00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01', '00-0-0-0', ...HEADER_VALUES],
  origin: ['https://evil.example', 'null'],
  'x-edge-retries': ['1'],
}
const headers: fc.Arbitrary<Record<string, string>> = fc.record(
  Object.fromEntries(
    Object.entries(HEADERS).map(([name, values]) => [
      name,
      fc.oneof({ weight: 8, arbitrary: fc.constant('') }, { weight: 1, arbitrary: fc.constantFrom(...values) }),
    ]),
  ),
)

export const requestsFor = (route: Route, samples: readonly Json[], values: Values): fc.Arbitrary<FuzzRequest> => {
  const inPath = route.parameters.filter((p) => p.in === 'path')
  const inQuery = route.parameters.filter((p) => p.in === 'query')
  const query = fc.tuple(...inQuery.map((p) => fc.option(parameterText(p, values), { nil: undefined, freq: 2 })))
  // Ids and names of things that exist are asked for more often than such as break the rules.
  const folder = route.path.split('/')[2]
  const path = fc.tuple(
    ...inPath.map((p) => {
      const named = values.fits({ type: 'string' }, `${folder}/${p.name}`).map(String)
      return fc.oneof({ weight: 2, arbitrary: named }, { weight: 2, arbitrary: values.texts }, parameterText(p, values))
    }),
  )
  const hasBody = route.body !== undefined
  const body = hasBody
    ? bodies(route, samples, values)
    : fc.constantFrom(undefined, undefined, undefined, '{}', '"\\u0000"')
  const contentType = fc.oneof(
    { weight: 20, arbitrary: fc.constant('application/json') },
    fc.constantFrom(
      'text/plain',
      'application/x-www-form-urlencoded',
      'application/json; charset=utf-16',
      'multipart/form-data',
      'x',
    ),
  )
  return fc.record({ path, query, body, contentType, headers }).map(({ path, query, body, contentType, headers }) => {
    const filled = inPath.reduce(
      (url, { name }, i) => url.replace(`{${name}}`, encode(path[i] ?? '') || '%20'),
      route.path,
    )
    const pairs = inQuery.flatMap(({ name }, i) => (query[i] === undefined ? [] : [`${name}=${encode(query[i])}`]))
    const target = pairs.length > 0 ? `${filled}?${pairs.join('&')}` : filled
    const sends = route.method !== 'GET' && body !== undefined
    return {
      method: route.method,
      target,
      body: sends ? body : undefined,
      contentType: sends ? contentType : undefined,
      headers: Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== '')),
      ids: path.filter((_, i) => inPath[i]?.name === 'id'),
    }
  })
}
