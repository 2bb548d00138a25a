/** Makes a plain value that follows a JSON Schema, for answers that no rule has made. */
import type { Json } from '../../platform/json.ts'

const DEEPEST = 20

/** Goes by what is common in schemas for models; a pattern or a condition is not looked at. */
export const sampleOf = (schema: Json, depth = 0): Json => {
  if (typeof schema !== 'object' || schema === null || Array.isArray(schema) || depth > DEEPEST) return null
  if (schema.const !== undefined) return schema.const
  if (schema.default !== undefined) return schema.default
  if (Array.isArray(schema.enum)) return schema.enum[0] ?? null
  const choice = [schema.anyOf, schema.oneOf, schema.allOf].find(Array.isArray)
  if (choice) return sampleOf(choice[0] ?? null, depth + 1)
  const type = Array.isArray(schema.type) ? schema.type[0] : schema.type
  switch (type) {
    case 'object':
      return sampleObject(schema, depth)
    case 'array':
      return Array.from({ length: Math.min(Number(schema.minItems ?? 0), 100) }, () =>
        sampleOf(schema.items ?? null, depth + 1),
      )
    case 'string':
      return 'stand-in'.padEnd(Math.min(Number(schema.minLength ?? 0), 1000), '.')
    case 'number':
    case 'integer':
      return Number(schema.minimum ?? 0)
    case 'boolean':
      return false
    default:
      return null
  }
}

const sampleObject = (schema: { [key: string]: Json }, depth: number): Json => {
  const properties = typeof schema.properties === 'object' && schema.properties !== null ? schema.properties : {}
  return Object.fromEntries(Object.entries(properties).map(([name, property]) => [name, sampleOf(property, depth + 1)]))
}
