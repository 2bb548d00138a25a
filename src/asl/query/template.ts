/** Payload templates of JSONPath states: a field whose name ends in `.$` holds a path or an intrinsic call. */
import type { Json, JsonObject } from '../../platform/json.ts'
import { type AslError, runtimeError } from '../errors.ts'
import { compileIntrinsic } from '../intrinsics/compile.ts'
import { isIntrinsic } from '../intrinsics/parse.ts'
import { parsePath } from '../json-path/parse.ts'
import { isObject, setOwn } from '../values.ts'
import type { Focus } from './focus.ts'
import { compileLookUp } from './path.ts'

export type Template = (focus: Focus) => Json

/** Throws a plain `Error` for a field that does not parse. A template without any expression gives itself. */
export const compileTemplate = (template: Json): Template => {
  const dynamic = compileDynamic(template)
  return dynamic ?? (() => template)
}

/** `undefined` when nothing in it has to be evaluated. */
const compileDynamic = (template: Json): Template | undefined => {
  if (Array.isArray(template)) return compileArray(template)
  return isObject(template) ? compileObject(template) : undefined
}

const compileArray = (template: readonly Json[]): Template | undefined => {
  const items = template.map(compileDynamic)
  if (items.every((item) => item === undefined)) return undefined
  return (focus) =>
    template.map((constant, i) => {
      const evaluate = items[i]
      return evaluate ? evaluate(focus) : constant
    })
}

const compileObject = (template: JsonObject): Template | undefined => {
  const fields: { key: string; constant: Json; evaluate: Template | undefined }[] = []
  for (const [key, value] of Object.entries(template)) {
    if (key.endsWith('.$')) fields.push({ key: key.slice(0, -2), constant: null, evaluate: compileField(key, value) })
    else fields.push({ key, constant: value, evaluate: compileDynamic(value) })
  }
  if (fields.every((field) => field.evaluate === undefined)) return undefined
  return (focus) => {
    const out: JsonObject = {}
    for (const { key, constant, evaluate } of fields) setOwn(out, key, evaluate ? evaluate(focus) : constant)
    return out
  }
}

/** One field that holds a path or an intrinsic function; `key` is what an error calls it. */
export const compileField = (key: string, value: Json): Template => {
  if (typeof value !== 'string')
    throw new Error(`The field '${key}' must hold a path or an intrinsic function as a string`)
  if (isIntrinsic(value)) return compileIntrinsic(value)
  // Here, and only here, the service gives null for an index behind the end of an array.
  const lookUp = compileLookUp(parsePath(value), null)
  return (focus) => {
    const found = lookUp(focus)
    if (found === undefined) throw notFound(key, value, focus)
    return found
  }
}

const notFound = (key: string, path: string, focus: Focus): AslError =>
  runtimeError(
    `The JSONPath '${path}' specified for the field '${key}' could not be found in the input '${JSON.stringify(focus.data)}'`,
  )
