/** What does not fit a route's schema: each place, what is wrong there, what was given and what would be right. */
import type { FastifyError, FastifyRequest } from 'fastify'
import type { Finding } from '../errors.ts'

const valueAt = (root: unknown, path: readonly string[]): unknown =>
  path.reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined | null)?.[key], root)

/** What a reader can use: the given value, cut when it is long. */
const shown = (value: unknown): unknown => {
  const text = JSON.stringify(value)
  return text !== undefined && text.length > 200 ? `${text.slice(0, 200)}…` : value
}

/** What is needed here of zod's objects, lists, unions and wrappers. */
interface Schema {
  readonly type?: string
  readonly options?: readonly Schema[]
  readonly shape?: Readonly<Record<string, Schema>>
  readonly element?: Schema
  readonly in?: Schema
  unwrap?(): Schema
}

const bare = (schema: Schema | undefined): Schema | undefined => {
  if (!schema || schema.shape || schema.element) return schema
  return schema.in ? bare(schema.in) : schema.unwrap ? bare(schema.unwrap()) : schema
}

const schemaAt = (root: Schema | undefined, path: readonly string[]): Schema | undefined =>
  bare(
    path.reduce<Schema | undefined>((schema, step) => {
      const { shape, element } = bare(schema) ?? {}
      return shape?.[step] ?? element
    }, root),
  )

/** The fields that a schema knows, where it has one form. */
const fieldsOf = (schema: Schema | undefined): string | undefined =>
  schema?.shape && (Object.keys(schema.shape).join(', ') || 'nothing')

const isLeftOut = (schema: Schema): boolean => schema.type === 'optional' || schema.type === 'default'

/** `{ cron, timeZone? }` of an object, else the name of its type. */
const formOf = (schema: Schema): string | undefined => {
  const { shape, type } = bare(schema) ?? {}
  if (!shape) return type
  return `{ ${Object.entries(shape)
    .map(([name, field]) => (isLeftOut(field) ? `${name}?` : name))
    .join(', ')} }`
}

/** The forms of which one would be right. */
const formsOf = (schema: Schema | undefined): string | undefined => schema?.options?.map(formOf).join(' or ')

type Part = 'body' | 'querystring' | 'params'
type Entry = NonNullable<FastifyError['validation']>[number]

const unknownKeys = ({ keyword, params }: Entry): readonly string[] | undefined =>
  keyword === 'unrecognized_keys' ? (params as { keys?: readonly string[] }).keys : undefined

/** A body has room for a hundred thousand wrong fields: an answer that names each would be many times as long. */
const MOST_FINDINGS = 50

/** The first of them, and how many more there are. */
export const findingsOf = (error: FastifyError, request: FastifyRequest): { findings: Finding[]; more: number } => {
  const part = (error.validationContext ?? 'body') as Part
  const root = part === 'querystring' ? request.query : part === 'params' ? request.params : request.body
  const inEntry = (entry: Entry): Iterable<Finding> => {
    const path = entry.instancePath.split('/').filter((step) => step !== '')
    const { keyword: code } = entry
    const keys = unknownKeys(entry)
    const schema = schemaAt(request.routeOptions.schema?.[part] as Schema | undefined, path)
    if (!keys) {
      const forms = code === 'invalid_union' && entry.message === 'Invalid input' ? formsOf(schema) : undefined
      const message = forms === undefined ? (entry.message ?? 'is not valid') : `must be ${forms}`
      return [{ path: [part, ...path].join('.'), message, given: shown(valueAt(root, path)) ?? null, code }]
    }
    const expected = fieldsOf(schema)
    const message = expected === undefined ? 'is not known here' : `is not known here; allowed: ${expected}`
    // Not what is in it: it may be a secret whose field was spelled wrong.
    return keys
      .values()
      .map((key) => ({ path: [part, ...path, key].join('.'), message, code, ...(expected && { expected }) }))
  }
  const entries = error.validation ?? []
  const count = entries.reduce((sum, entry) => sum + (unknownKeys(entry)?.length ?? 1), 0)
  const findings = entries.values().flatMap(inEntry).take(MOST_FINDINGS).toArray()
  return { findings, more: count - findings.length }
}
