/** Small facts about JSON values: kinds, equality, and keys that must not reach a prototype. */
import type { Json, JsonObject } from '../platform/json.ts'

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Sets an own property whatever its name is; a plain assignment to `__proto__` would change the prototype instead. */
export const setOwn = <T>(target: Record<string, T>, key: string, value: T): void => {
  if (key !== '__proto__') target[key] = value
  else Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true })
}

/** Own properties only: `constructor` or `__proto__` of an ordinary object are not data. */
export const getOwn = <T>(target: Record<string, T>, key: string): T | undefined =>
  Object.hasOwn(target, key) ? target[key] : undefined

export const kindOf = (value: Json): 'null' | 'boolean' | 'number' | 'string' | 'array' | 'object' => {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  return typeof value as 'boolean' | 'number' | 'string' | 'object'
}

/** Equality of JSON values: numbers by value, objects without regard to the order of their keys. `count` is told of the work. */
export const deepEqual = (a: Json, b: Json, count?: (values: number) => void): boolean => {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false
    count?.(a.length)
    return a.every((item, i) => deepEqual(item, b[i]!, count))
  }
  const keys = Object.keys(a)
  count?.(keys.length)
  if (keys.length !== Object.keys(b).length) return false
  return keys.every((key) => Object.hasOwn(b, key) && deepEqual(a[key]!, b[key]!, count))
}

/** A JSON text with the same order of keys for equal values, to compare or group by. */
export const canonical = (value: Json): string => {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (!isObject(value)) return JSON.stringify(value)
  const parts = Object.keys(value)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${canonical(value[key]!)}`)
  return `{${parts.join(',')}}`
}

/** Encodes a state's name for use inside a key, so that no two places of a definition share one. */
export const keyPart = (name: string): string => name.replace(/[%/#:[\]]/g, (ch) => `%${ch.charCodeAt(0).toString(16)}`)

/** Encodes a key for a JSON Pointer (RFC 6901). */
export const pointerPart = (key: string): string => key.replaceAll('~', '~0').replaceAll('/', '~1')
