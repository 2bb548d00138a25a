/** JSONata expressions in a definition: texts of the form `{% … %}`, alone or anywhere inside a template. */
import type { Json, JsonObject } from '../../platform/json.ts'
import { type CompiledJsonata, compileJsonata, type JsonataFunction, jsonataErrorCode } from '../../platform/jsonata.ts'
import { queryError } from '../errors.ts'
import { isObject, kindOf, setOwn } from '../values.ts'
import type { Evaluate, Focus, Maybe } from './focus.ts'
import { addedFunctions } from './jsonata-functions.ts'

export const isExpression = (value: unknown): value is `{%${string}%}` =>
  typeof value === 'string' && value.startsWith('{%') && value.endsWith('%}') && value.length >= 4

/** The text between `{%` and `%}`. */
export const expressionText = (value: string): string => value.slice(2, -2).trim()

/** Only an expression that may look at the context object makes it necessary to build one. */
const CONTEXT = /\$states(?!\s*\.\s*(input|result|errorOutput)\b)/

export const mayReadContext = (source: string): boolean => CONTEXT.test(source)

/** Throws `jsonata_syntax` when the text does not parse. `field` is where it stands, such as `Output/total`. */
export const compileExpression = (value: string, field: string): ((focus: Focus) => Promise<Json>) => {
  const source = expressionText(value)
  const compiled = compileJsonata(source)
  const readsContext = mayReadContext(source)
  return async (focus) => {
    const { around } = focus
    try {
      return await compiled.evaluate(undefined, bind(compiled, focus, readsContext), around)
    } catch (error) {
      throw failed(error, source, field)
    }
  }
}

const bind = (
  compiled: CompiledJsonata,
  focus: Focus,
  readsContext: boolean,
): Record<string, Json | JsonataFunction | undefined> => {
  const bindings: Record<string, Json | JsonataFunction | undefined> = {}
  for (const name of compiled.variables) {
    const added = Object.hasOwn(addedFunctions, name) ? addedFunctions[name] : undefined
    const value = name === 'states' ? statesOf(focus, readsContext) : focus.around.variable(name)
    if (value !== undefined) bindings[name] = value
    else if (added) bindings[name] = added(focus.around)
  }
  return bindings
}

const statesOf = (focus: Focus, readsContext: boolean): JsonObject => {
  const states: JsonObject = { input: focus.input }
  if (focus.result !== undefined) states.result = focus.result
  if (focus.errorOutput !== undefined) states.errorOutput = focus.errorOutput
  if (readsContext) states.context = focus.around.context()
  return states
}

const JSONATA_CODE = /^[A-Z]\d{4}: /

const failed = (error: unknown, source: string, field: string): Error => {
  const code = jsonataErrorCode(error)
  const text = error instanceof Error ? error.message : String(error)
  const subject = `The JSONata expression '${source}' specified for the field '${field}'`
  const options = { field, reason: error }
  if (code === 'jsonata_undefined') return queryError(`${subject} returned nothing (undefined).`, options)
  if (code === 'jsonata_unsupported') return queryError(`${subject} returned an unsupported result type.`, options)
  // What JSONata itself says is a sentence of its own, after its code.
  const mark = JSONATA_CODE.test(text) ? '.' : ':'
  return queryError(`${subject} threw an error during evaluation${mark} ${text}`, options)
}

/** A template: every text of the form `{% … %}` in it is replaced by its value. */
export const compileJsonataTemplate = (template: Json, field: string): Evaluate =>
  compileDynamic(template, field) ?? (() => template)

/** `undefined` when nothing in it has to be evaluated. */
const compileDynamic = (template: Json, field: string): Evaluate | undefined => {
  if (isExpression(template)) return compileExpression(template, field)
  if (Array.isArray(template)) return compileArray(template, field)
  return isObject(template) ? compileObject(template, field) : undefined
}

const compileArray = (template: readonly Json[], field: string): Evaluate | undefined => {
  const items = template.map((item, i) => compileDynamic(item, `${field}[${i}]`))
  if (items.every((item) => item === undefined)) return undefined
  return async (focus) => {
    const out: Json[] = []
    for (let i = 0; i < template.length; i++) out.push(await evaluateField(items[i], template[i]!, focus))
    return out
  }
}

const compileObject = (template: JsonObject, field: string): Evaluate | undefined => {
  const fields = Object.entries(template).map(([key, constant]) => {
    return { key, constant, evaluate: compileDynamic(constant, `${field}/${key}`) }
  })
  if (fields.every(({ evaluate }) => evaluate === undefined)) return undefined
  return async (focus) => {
    const out: JsonObject = {}
    for (const { key, constant, evaluate } of fields) setOwn(out, key, await evaluateField(evaluate, constant, focus))
    return out
  }
}

const evaluateField = (evaluate: Evaluate | undefined, constant: Json, focus: Focus): Maybe<Json> =>
  evaluate ? evaluate(focus) : constant

interface Kinds {
  readonly string: string
  readonly number: number
  readonly boolean: boolean
  readonly array: Json[]
}

/** Checks the kind of a result where a field allows only one. `source` is the field's value in the definition. */
export const expectKind = <K extends keyof Kinds>(value: Json, wanted: K, field: string, source: Json): Kinds[K] => {
  const kind = kindOf(value)
  if (kind === wanted) return value as Kinds[K]
  const subject = isExpression(source)
    ? `The JSONata expression '${expressionText(source)}' specified for the field '${field}'`
    : `The value specified for the field '${field}'`
  const text = JSON.stringify(value).slice(0, 1000)
  throw queryError(
    `${subject} returned an unexpected result type. Expected '${wanted}', but was '${kind}' for value: ${text}`,
    {
      field,
    },
  )
}
