/** The fields that inline and distributed Maps share: items, what each iteration gets, and how many run or fail. */
import type { Json, JsonObject } from '../../platform/json.ts'
import { compileOptional } from '../data-flow.ts'
import { queryError, runtimeError } from '../errors.ts'
import type { Evaluate, Maybe, QueryLanguage } from '../query/focus.ts'
import { compileExpression, compileJsonataTemplate, expectKind, isExpression } from '../query/jsonata.ts'
import { compilePath } from '../query/path.ts'
import { kindOf } from '../values.ts'
import type { Visit } from '../visit.ts'

export type ItemsOf = (visit: Visit, effective: Json) => Maybe<Json>

/** `Items` or `ItemsPath`; without either, the input itself. What comes out is still to be checked. */
export const compileItems = (state: JsonObject, language: QueryLanguage): ItemsOf => {
  if (language === 'JSONPath') {
    const find = typeof state.ItemsPath === 'string' ? compilePath(state.ItemsPath) : undefined
    return (visit, effective) => {
      const items = find ? find(visit.focus(effective)) : effective
      visit.inspect?.('afterItemsPath', items)
      return items
    }
  }
  if (state.Items === undefined) return (_, effective) => effective
  const evaluate = compileJsonataTemplate(state.Items, 'Items')
  return (visit, effective) => evaluate(visit.focus(effective))
}

/** Throws when the items are no array. */
export const asItems = (items: Json, state: JsonObject, language: QueryLanguage): Json[] => {
  if (Array.isArray(items)) return items
  if (language === 'JSONata') {
    if (state.Items !== undefined) return expectKind(items, 'array', 'Items', state.Items)
    throw queryError(`Map state input must be an array but was: ${JSON.stringify(items)}`)
  }
  const where = typeof state.ItemsPath === 'string' ? state.ItemsPath : '$'
  throw runtimeError(`Reference path "${where}" must point to array.`)
}

/** `ItemSelector`, or `Parameters` as it was called once. `undefined` when each item is passed on as it is. */
export const compileItemSelector = (state: JsonObject, language: QueryLanguage): Evaluate | undefined =>
  compileOptional(
    state.ItemSelector ?? (language === 'JSONPath' ? state.Parameters : undefined),
    'ItemSelector',
    language,
  )

export interface MapItem {
  readonly index: number
  readonly value: Json
  /** Of the field, where the items are those of an object. */
  readonly key?: string | undefined
  /** Where it comes from, in a distributed Map. */
  readonly source?: string | undefined
}

/** What one iteration gets; the context object shows the item while it is made. */
export const selectItem = async (
  selector: Evaluate | undefined,
  visit: Visit,
  effective: Json,
  { index, value, key, source }: MapItem,
): Promise<{ input: Json; mapContext: JsonObject }> => {
  const mapContext: JsonObject = {
    Item: {
      Index: index,
      Value: value,
      ...(key === undefined ? {} : { Key: key }),
      ...(source === undefined ? {} : { Source: source }),
    },
  }
  if (!selector) return { input: key === undefined ? value : { Key: key, Value: value }, mapContext }
  // Several iterations are prepared at once while an expression is evaluated: each needs a context of its own.
  const own: Visit = Object.assign(Object.create(visit) as Visit, { mapContext })
  const focus = { around: own, data: effective, input: visit.input }
  own.context = () => ({ ...visit.context(), Map: mapContext })
  return { input: await selector(focus), mapContext }
}

export type NumberOf = (visit: Visit, effective: Json) => Maybe<number | undefined>

interface NumberField {
  readonly name: string
  /** The field of the state that it is part of, if any: `ItemBatcher`. */
  readonly of?: string
  readonly whole: boolean
  readonly most?: number
}

/** A number that is written in the definition, or that a path or an expression gives. */
export const compileNumber = (
  fields: JsonObject,
  { name, of, whole, most }: NumberField,
  language: QueryLanguage,
): NumberOf => {
  const field = of === undefined ? name : `${of}/${name}`
  const value = fields[name]
  const path = fields[`${name}Path`]
  if (language === 'JSONPath' && typeof path === 'string') {
    const find = compilePath(path)
    return (visit, effective) => {
      const found = find(visit.focus(effective))
      const number = asNumber(found)
      if (number === undefined || (whole && !Number.isInteger(number))) throw notANumber(name, path, found, whole)
      const problem = outOfRange(number, name, most)
      if (problem !== undefined) throw runtimeError(problem)
      return number
    }
  }
  if (value === undefined) return () => undefined
  if (!isExpression(value)) return () => value as number
  const evaluate = compileExpression(value, field)
  return async (visit) => {
    const found = expectKind(await evaluate(visit.focus(visit.input)), 'number', field, value)
    if (whole && !Number.isInteger(found)) throw queryError(`The ${name} field must be an integer: ${found}`, { field })
    const problem = outOfRange(found, name, most)
    if (problem !== undefined) throw queryError(problem, { field })
    return found
  }
}

/** The service also takes a number that is written as a text. */
const asNumber = (value: Json): number | undefined => {
  if (typeof value === 'number') return value
  return typeof value === 'string' && /^-?\d+(\.\d+)?$/.test(value) ? Number(value) : undefined
}

const notANumber = (name: string, path: string, found: Json, whole: boolean): Error => {
  const text = kindOf(found) === 'string' ? (found as string) : JSON.stringify(found)
  return runtimeError(
    `The ${name}Path field refers to value "${text}" which is not a valid ${whole ? 'integer' : 'float'}: ${path}`,
  )
}

const outOfRange = (value: number, name: string, most: number | undefined): string | undefined => {
  if (most !== undefined && (value < 0 || value > most)) return `${name} must be between 0 and ${most}.`
  return value < 0 ? `${name} cannot be negative.` : undefined
}
