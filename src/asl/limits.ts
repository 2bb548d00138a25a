/** What one run may use. */
import type { Json } from '../platform/json.ts'
import type { JsonataLimits } from '../platform/jsonata.ts'
import { EngineError, STATES } from './errors.ts'

export interface RunLimits {
  /** Largest input, output, variable or task result, in bytes of its JSON text in UTF-8. */
  readonly payloadBytes: number
  /** All variables that a branch has, with those of the scopes around it. */
  readonly variablesBytes: number
  /** Transitions of one run, all branches together; what goes beyond it is taken for an endless loop. */
  readonly transitions: number
  /** Branches of an inline Map that run at once when `MaxConcurrency` does not say less. */
  readonly inlineConcurrency: number
  /** Children of a distributed Map that run at once when `MaxConcurrency` does not say less. */
  readonly distributedConcurrency: number
  /** Items of a distributed Map that are handed to one `childRun`. */
  readonly itemsPerChildRun: number
  readonly jsonata: Partial<JsonataLimits>
}

export const defaultRunLimits: RunLimits = {
  payloadBytes: 262_144,
  variablesBytes: 10_485_760,
  transitions: 1_000_000,
  inlineConcurrency: 40,
  distributedConcurrency: 1_000,
  itemsPerChildRun: 100,
  jsonata: {},
}

/** Bytes of the JSON text of values; remembers those of larger arrays and objects, since values pass on unchanged a lot. */
export interface PayloadScale {
  bytes(value: Json): number
}

/** Smaller values are measured again faster than they are looked up. */
const WORTH_REMEMBERING = 512

export const makePayloadScale = (): PayloadScale => {
  const known = new WeakMap<object, number>()
  const bytes = (value: Json): number => {
    switch (typeof value) {
      case 'string':
        return stringBytes(value)
      case 'number':
        return String(value).length
      case 'boolean':
        return value ? 4 : 5
    }
    if (value === null) return 4
    const before = known.get(value)
    if (before !== undefined) return before
    const size = Array.isArray(value) ? arrayBytes(value) : objectBytes(value)
    if (size >= WORTH_REMEMBERING) known.set(value, size)
    return size
  }
  const arrayBytes = (items: readonly Json[]): number => {
    let size = items.length === 0 ? 2 : items.length + 1
    for (const item of items) size += bytes(item)
    return size
  }
  const objectBytes = (fields: { readonly [key: string]: Json }): number => {
    const keys = Object.keys(fields)
    let size = keys.length === 0 ? 2 : keys.length + 1
    for (const key of keys) size += stringBytes(key) + 1 + bytes(fields[key]!)
    return size
  }
  return { bytes }
}

/** Escapes count as the one character that they stand for; exact enough for a limit. */
const stringBytes = (text: string): number => (text.length < SHORT ? shortBytes(text) : Buffer.byteLength(text)) + 2

/** For shorter texts counting here is faster than the call. */
const SHORT = 32

const shortBytes = (text: string): number => {
  let bytes = text.length
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    // Half of a surrogate pair stands for two of four bytes.
    if (code >= 0x80) bytes += code < 0x800 || (code >= 0xd800 && code <= 0xdfff) ? 1 : 2
  }
  return bytes
}

/** Throws `States.DataLimitExceeded`. */
export const checkPayload = (scale: PayloadScale, limit: number, value: Json, what: string): void => {
  if (scale.bytes(value) > limit) throw tooLarge(what)
}

export const tooLarge = (what: string): EngineError =>
  new EngineError(
    STATES.dataLimitExceeded,
    `${what} returned a result with a size exceeding the maximum number of bytes service limit.`,
  )
