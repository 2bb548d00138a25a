/** Checks values against JSON Schemas, which may come from anybody, and says field by field what is wrong. */
import vm from 'node:vm'
import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js'
import { type AppError, type Finding, messageOf } from '../platform/errors.ts'
import type { Json, JsonSchema } from '../platform/json.ts'
import { type Tool, toolErrors } from './tool.ts'

/** The findings of a value; none when it fits. */
export type CheckValue = (value: Json) => readonly Finding[]

/** Turns a schema into its check; throws `tool_schema_invalid` when it is none. */
export type CompileSchema = (schema: JsonSchema) => CheckValue

const LONGEST_SCHEMA = 65_536
const MOST_FINDINGS = 20
/** Far above what a sane schema needs, to be made ready and to check a value. */
const COMPILE_TIMEOUT_MS = 1000
const CHECK_TIMEOUT_MS = 100

/** Ajv keeps what it compiled for as long as it lives, and schemas of many tenants come and go: it is renewed after so many. */
const SCHEMAS_PER_AJV = 500

/**
 * Draft 2020-12; `format` is an annotation, as that draft has it. A stranger's schema may hold a pattern that backtracks
 * without end, or branch into millions of checks: a watchdog stops it, which costs some 0.2 ms a check. `trusted` schemas go
 * without.
 */
export const makeSchemaCompiler = ({ trusted = false } = {}): CompileSchema => {
  const guard: Watchdog = trusted ? (_, run) => run() : makeWatchdog()
  let current: { ajv: Ajv2020; schemas: number } | undefined
  return (schema) => {
    if (JSON.stringify(schema).length > LONGEST_SCHEMA)
      throw toolErrors.tool_schema_invalid(`the schema is longer than ${LONGEST_SCHEMA} characters`)
    if (!current || current.schemas === SCHEMAS_PER_AJV) current = { ajv: makeAjv(), schemas: 0 }
    current.schemas++
    const { ajv } = current
    let validate: ValidateFunction
    try {
      validate = guard(COMPILE_TIMEOUT_MS, () => ajv.compile(schema))
      ajv.removeSchema(schema)
    } catch (error) {
      // It may have been stopped in the middle of anything.
      current = undefined
      throw toolErrors.tool_schema_invalid(`not a JSON Schema: ${messageOf(error)}`, { cause: error })
    }
    return (value) => {
      try {
        return guard(CHECK_TIMEOUT_MS, () => validate(value)) ? [] : findingsOf(validate.errors ?? [])
      } catch (error) {
        return [{ path: '', message: `cannot be checked by this schema: ${messageOf(error)}` }]
      }
    }
  }
}

const makeAjv = (): Ajv2020 =>
  new Ajv2020({
    allErrors: true,
    verbose: true,
    strict: false,
    validateFormats: false,
    addUsedSchema: false,
    logger: false,
  })

type Watchdog = <T>(timeoutMs: number, run: () => T) => T

/** Of its time a stopped function must have worked at least this part: it may be the machine that stood still, not the function. */
const WORKED_PART = 0.5
/** Who was stopped without having worked gets so many times as long. */
const SECOND_CHANCE = 10

/** Runs a function, and throws when it takes too long; the function runs where it was made, only its time is watched. */
const makeWatchdog = (): Watchdog => {
  const script = new vm.Script('run()')
  const scope = vm.createContext({ run: (): unknown => undefined })
  return (timeoutMs, run) => {
    scope.run = run
    const before = process.threadCpuUsage()
    try {
      return script.runInContext(scope, { timeout: timeoutMs })
    } catch (error) {
      const { user, system } = process.threadCpuUsage(before)
      if (!isTimeout(error) || user + system > timeoutMs * 1000 * WORKED_PART) throw error
      return script.runInContext(scope, { timeout: timeoutMs * SECOND_CHANCE })
    }
  }
}

const isTimeout = (error: unknown): boolean => (error as { code?: unknown }).code === 'ERR_SCRIPT_EXECUTION_TIMEOUT'

/** The same tool, whose `run` refuses an input that does not fit with `tool_input_invalid`. */
export const withInputCheck = (tool: Tool, compile: CompileSchema): Tool => {
  let check: CheckValue | undefined
  return {
    ...tool,
    async run(input, call) {
      check ??= compile(tool.inputSchema)
      const findings = check(input)
      if (findings.length > 0) throw inputInvalid(tool.name, findings)
      return tool.run(input, call)
    },
  }
}

const inputInvalid = (toolName: string, findings: readonly Finding[]): AppError => {
  const shown = findings.slice(0, 3).map((f) => `${f.path === '' ? 'the input' : f.path} ${f.message}`)
  const more = findings.length > shown.length ? ` (and ${findings.length - shown.length} more)` : ''
  return toolErrors.tool_input_invalid(`tool ${toolName}: ${shown.join('; ')}${more}`, { findings })
}

const findingsOf = (errors: readonly ErrorObject[]): Finding[] => errors.slice(0, MOST_FINDINGS).map(findingOf)

const findingOf = (error: ErrorObject): Finding => {
  const { missingProperty, additionalProperty, allowedValues, allowedValue } = error.params as Record<string, unknown>
  const path = (name?: unknown): string => (name === undefined ? error.instancePath : `${error.instancePath}/${name}`)
  const given = shorten(error.data)
  if (missingProperty !== undefined)
    return { path: path(missingProperty), message: 'is missing', expected: expectedAt(error, missingProperty) }
  if (additionalProperty !== undefined) {
    const known = Object.keys((error.parentSchema?.properties as object | undefined) ?? {})
    const expected = known.length > 0 ? `one of ${known.join(', ')}` : 'no fields'
    return { path: path(additionalProperty), message: 'is not a known field', expected }
  }
  if (allowedValues !== undefined || allowedValue !== undefined) {
    const expected = `${allowedValues === undefined ? '' : 'one of '}${JSON.stringify(allowedValues ?? allowedValue)}`
    return { path: path(), message: `must be ${expected}, was ${show(given)}`, given, expected }
  }
  const message = error.message ?? 'is wrong'
  return {
    path: path(),
    message: `${message}, was ${show(given)}`,
    given,
    expected: message.replace(/^must (be )?/, ''),
  }
}

const expectedAt = (error: ErrorObject, name: unknown): string => {
  const properties = error.parentSchema?.properties as Record<string, JsonSchema> | undefined
  const property = properties?.[String(name)]
  return typeof property?.type === 'string' ? `a field of type ${property.type}` : 'a field of this name'
}

/** Keeps what was given small: it goes into errors, logs and timelines. */
const shorten = (value: unknown): unknown => {
  const text = JSON.stringify(value) ?? 'undefined'
  return text.length <= 200 ? value : `${text.slice(0, 200)}…`
}

const show = (given: unknown): string => JSON.stringify(given) ?? 'undefined'
