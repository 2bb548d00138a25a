/** Values as they are kept: JSON. What JSON would lose as a whole is refused rather than kept as `{}`. */
import type { Json } from '../platform/json.ts'
import { engineErrors } from './errors.ts'

const ADVICE = [
  [Map, 'a Map; give Object.fromEntries(map), or its entries as a list'],
  [Set, 'a Set; give it as a list'],
  [Promise, 'a promise; wait for it with await'],
] as const

/** The first Map, Set or promise within, by its path; each of them becomes `{}` in JSON. */
const findLost = (value: unknown, path: string): string | undefined => {
  if (typeof value !== 'object' || value === null || 'toJSON' in value) return undefined
  const advice = ADVICE.find(([kind]) => value instanceof kind)?.[1]
  if (advice !== undefined) return `${path || 'it'} is ${advice}`
  for (const [key, inner] of Object.entries(value)) {
    const lost = findLost(inner, `${path}/${key}`)
    if (lost !== undefined) return lost
  }
  return undefined
}

/** Throws `not_serializable`. */
const textOf = (value: unknown, what: string): string => {
  let text: string | undefined
  try {
    text = JSON.stringify(value === undefined ? null : value)
  } catch (cause) {
    throw engineErrors.not_serializable(`${what} cannot be kept as JSON: ${String(cause)}`, { cause })
  }
  if (text === undefined) throw engineErrors.not_serializable(`${what} cannot be kept as JSON: it is a ${typeof value}`)
  const lost = text.includes('{}') ? findLost(value, '') : undefined
  if (lost !== undefined) throw engineErrors.not_serializable(`${what} cannot be kept as JSON: ${lost}`)
  return text
}

/** A value as the journal keeps it. Throws `not_serializable`. */
export const toJson = (value: unknown, what: string): Json => {
  if (value === undefined || value === null) return null
  if (typeof value === 'string' || typeof value === 'boolean') return value
  return JSON.parse(textOf(value, what)) as Json
}

/** JSON text of a result. Throws `payload_too_large` or `not_serializable`. */
export const serialize = (value: unknown, limitBytes: number, what: string): string => {
  const text = textOf(value, what)
  if (text.length > limitBytes / 4 && Buffer.byteLength(text) > limitBytes) {
    throw engineErrors.payload_too_large(
      `${what} has ${Buffer.byteLength(text)} bytes as JSON; allowed: ${limitBytes} (PAYLOAD_LIMIT_BYTES). Keep big data elsewhere and pass a reference`,
    )
  }
  return text
}
