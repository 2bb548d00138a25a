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

/** What is needed here of zod's objects, lists and wrappers. */
interface Schema {
  readonly shape?: Readonly<Record<string, Schema>>
  readonly element?: Schema
  readonly in?: Schema
  unwrap?(): Schema
}

const bare = (schema: Schema | undefined): Schema | undefined => {
  if (!schema || schema.shape || schema.element) return schema
  return schema.in ? bare(schema.in) : schema.unwrap ? bare(schema.unwrap()) : schema
}

/** The fields that a schema knows at a place, where it has one form there. */
const fieldsAt = (root: Schema | undefined, path: readonly string[]): string | undefined => {
  const at = path.reduce<Schema | undefined>((schema, step) => {
    const { shape, element } = bare(schema) ?? {}
    return shape?.[step] ?? element
  }, root)
  const shape = bare(at)?.shape
  return shape && (Object.keys(shape).join(', ') || 'nothing')
}

type Part = 'body' | 'querystring' | 'params'

export const findingsOf = (error: FastifyError, request: FastifyRequest): Finding[] => {
  const part = (error.validationContext ?? 'body') as Part
  const root = part === 'querystring' ? request.query : part === 'params' ? request.params : request.body
  return (error.validation ?? []).flatMap((entry): Finding | Finding[] => {
    const path = entry.instancePath.split('/').filter((step) => step !== '')
    const { keyword: code } = entry
    const { keys } = entry.params as { keys?: readonly string[] }
    if (code !== 'unrecognized_keys' || !keys) {
      const message = entry.message ?? 'is not valid'
      return { path: [part, ...path].join('.'), message, given: shown(valueAt(root, path)) ?? null, code }
    }
    const expected = fieldsAt(request.routeOptions.schema?.[part] as Schema | undefined, path)
    const message = expected === undefined ? 'is not known here' : `is not known here; allowed: ${expected}`
    // Not what is in it: it may be a secret whose field was spelled wrong.
    return keys.map((key) => ({ path: [part, ...path, key].join('.'), message, code, ...(expected && { expected }) }))
  })
}
