/** Answers by a JSON schema: what is asked for, and what came of it. */
import type { Finding } from '../../platform/errors.ts'
import type { Json, JsonSchema } from '../../platform/json.ts'
import type { ModelFinish } from './types.ts'

/** Checks a value against a schema; no findings when it fits. */
export type CompileSchema = (schema: JsonSchema) => (value: Json) => readonly Finding[]

/** The value, or why there is none. */
export const readOutput = (
  text: string,
  finishReason: ModelFinish,
  schema: JsonSchema,
  compileSchema?: CompileSchema,
): { output: Json } | { outputInvalid: string } => {
  const value = parseLenient(text)
  if (value === undefined) {
    const why = finishReason === 'length' ? ': it was cut at the limit of its length' : ''
    return { outputInvalid: `the answer is no JSON${why}` }
  }
  const findings = compileSchema?.(schema)(value) ?? []
  if (findings.length === 0) return { output: value }
  const shown = findings.slice(0, 5).map((f) => `${f.path === '' ? 'the answer' : f.path} ${f.message}`)
  return { outputInvalid: `the answer does not follow the schema: ${shown.join('; ')}` }
}

/** Models that do not know schemas like to put a fence around their JSON. */
const parseLenient = (text: string): Json | undefined => {
  const fenced = /^\s*```(?:json)?\s*\n([\s\S]*?)\n\s*```\s*$/.exec(text)?.[1]
  try {
    return JSON.parse(fenced ?? text) as Json
  } catch {
    return undefined
  }
}

/**
 * Whether a schema may be asked for in OpenAI's strict mode, which refuses schemas with objects that are open or have fields
 * that may be missing.
 */
export const isStrictSchema = (schema: unknown): boolean => {
  if (Array.isArray(schema)) return schema.every(isStrictSchema)
  if (typeof schema !== 'object' || schema === null) return true
  const { type, properties, required, additionalProperties } = schema as Record<string, unknown>
  if (type === 'object' || properties !== undefined) {
    const names = Object.keys((properties as object | undefined) ?? {})
    const needed = new Set(Array.isArray(required) ? required : [])
    if (additionalProperties !== false || !names.every((name) => needed.has(name))) return false
  }
  return Object.values(schema).every(isStrictSchema)
}
