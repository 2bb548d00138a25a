/** Turns what JSONata gives into plain JSON: no functions, no marked arrays, no objects without a prototype. */
import type { Json, JsonObject } from '../json.ts'
import { type Budget, jsonataErrors } from './limits.ts'

/** Throws `jsonata_undefined` or `jsonata_unsupported`; gives the same object back where it is plain JSON already. */
export const toJson = (value: unknown, budget: Budget): Json => {
  if (value === undefined) throw jsonataErrors.jsonata_undefined('the expression returned nothing (undefined)')
  let count = 0
  return convert(value, () => budget.allow(++count))
}

/** `step` is called for each value: parts that are shared may make a small value large. */
const convert = (value: unknown, step: () => void): Json => {
  step()
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value
    case 'number':
      if (Number.isFinite(value)) return value
      throw unsupported(`the number ${value}`)
    case 'object':
      if (value === null) return null
      return Array.isArray(value) ? convertArray(value, step) : convertObject(value as Record<string, unknown>, step)
    default:
      throw unsupported(`a ${typeof value}`)
  }
}

const unsupported = (what: string): Error =>
  jsonataErrors.jsonata_unsupported(`the expression returned an unsupported result type: ${what}`)

/** JSONata marks arrays with further properties; those must not be seen by the next expression. */
const isMarked = (items: readonly unknown[]): boolean => Object.keys(items).length !== items.length

const convertArray = (items: readonly unknown[], step: () => void): Json => {
  let copy: Json[] | undefined
  for (let i = 0; i < items.length; i++) {
    const item = items[i] === undefined ? null : convert(items[i], step)
    if (copy) copy.push(item)
    else if (item !== items[i]) copy = [...(items.slice(0, i) as Json[]), item]
  }
  if (copy) return copy
  return isMarked(items) ? (items.slice() as Json[]) : (items as Json[])
}

const convertObject = (fields: Readonly<Record<string, unknown>>, step: () => void): Json => {
  if (fields._jsonata_lambda === true || fields._jsonata_function === true) throw unsupported('a function')
  const plain = Object.getPrototypeOf(fields) === Object.prototype
  let copy: JsonObject | undefined = plain ? undefined : {}
  const keys = Object.keys(fields)
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i]!
    const before = fields[key]
    // A field without a value is left out, as it is from a JSON text.
    const after = before === undefined ? undefined : convert(before, step)
    if (!copy && after !== before) copy = copyFields(fields, keys.slice(0, i))
    if (!copy && before === undefined) copy = copyFields(fields, keys.slice(0, i))
    if (copy && after !== undefined) setOwn(copy, key, after)
  }
  return copy ?? (fields as JsonObject)
}

const copyFields = (fields: Readonly<Record<string, unknown>>, keys: readonly string[]): JsonObject => {
  const copy: JsonObject = {}
  for (const key of keys) setOwn(copy, key, fields[key] as Json)
  return copy
}

const setOwn = (target: JsonObject, key: string, value: Json): void => {
  if (key !== '__proto__') target[key] = value
  else Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true })
}
