/**
 * JSONata under limits. An expression may come from anybody: it can neither stall the process nor reach outside its input.
 * Steps, depth and the size of every value on the way are counted; wall time is the last resort.
 */
import jsonata from 'jsonata'
import { AppError, messageOf } from './errors.ts'
import type { Json } from './json.ts'
import { BUDGET, replaceFunctions } from './jsonata/functions.ts'
import {
  type Budget,
  defaultLimits,
  type JsonataLimits,
  jsonataErrors,
  limitReached,
  makeBudget,
} from './jsonata/limits.ts'
import { collectReferences, type References } from './jsonata/references.ts'
import { makeRegexEngine } from './jsonata/regex.ts'
import { toJson } from './jsonata/result.ts'
import { collectVariables } from './jsonata/variables.ts'
import { findBuiltIns, type RegexMeter, watchSteps } from './jsonata/watch.ts'

export { type JsonataLimits, jsonataErrors } from './jsonata/limits.ts'
export { makeRegexEngine } from './jsonata/regex.ts'

/** A function that an expression may call; `undefined` stands for nothing. What it throws becomes the evaluation's error. */
export type JsonataFunction = (...args: (Json | undefined)[]) => Json | undefined

export interface JsonataOptions {
  /** What `$now()` and `$millis()` tell, in epoch milliseconds. */
  readonly now?: () => number
  /** A number in [0, 1) for `$random()` and `$shuffle()`. */
  readonly random?: () => number
  readonly limits?: Partial<JsonataLimits>
}

export interface CompiledJsonata {
  readonly source: string
  /** Names of the variables that the expression reads; `$` and `$$` are not among them, built-in functions may be. */
  readonly variables: ReadonlySet<string>
  /** Those that it neither binds itself nor calls, and that are no built-in functions. */
  readonly freeVariables: ReadonlySet<string>
  /** Names it wants from a context, and fields of variables that it reads. Looked up only when asked for. */
  references(): References
  /**
   * Resolves with plain JSON; rejects with one of `jsonataErrors`. Uses nothing but promises, so it ends within the
   * microtasks of its call. What is handed in must not be changed afterwards: sizes are remembered.
   */
  evaluate(
    input: Json | undefined,
    bindings: Readonly<Record<string, Json | JsonataFunction | undefined>>,
    options?: JsonataOptions,
  ): Promise<Json>
}

/** Longer texts are refused before they are parsed. */
const LONGEST_SOURCE = 65_536

/** Throws `jsonata_syntax` when the text is not an expression. */
export const compileJsonata = (source: string): CompiledJsonata => {
  const meter: RegexMeter = { steps: 0 }
  const expression = parse(source, meter)
  watchSteps(expression, meter)
  const builtIns = findBuiltIns(jsonata('$'))
  replaceFunctions(expression, builtIns)
  const { read, free } = collectVariables(expression.ast())
  return {
    source,
    variables: read,
    freeVariables: new Set([...free].filter((name) => builtIns[name] === undefined)),
    references: () => collectReferences(expression.ast()),
    async evaluate(input, bindings, options = {}) {
      const limits = { ...defaultLimits, ...options.limits }
      const budget: Budget = makeBudget(limits, options.now ?? Date.now, options.random ?? Math.random)
      try {
        return toJson(await expression.evaluate(input, { ...bindings, [BUDGET]: budget }), budget)
      } catch (error) {
        throw asJsonataError(error)
      }
    },
  }
}

const parse = (source: string, meter: RegexMeter): jsonata.Expression => {
  if (source.length > LONGEST_SOURCE) {
    throw jsonataErrors.jsonata_syntax(`the expression is longer than ${LONGEST_SOURCE} characters`)
  }
  try {
    return jsonata(source, { RegexEngine: makeRegexEngine((steps) => countRegexSteps(meter, steps)) })
  } catch (error) {
    const { code, position } = describe(error)
    throw jsonataErrors.jsonata_syntax(textOf(error), { details: { jsonataCode: code, position }, cause: error })
  }
}

/** Between two looks at the meter a single match may run on: it ends here. */
const MOST_REGEX_STEPS = 4_000_000

const countRegexSteps = (meter: RegexMeter, steps: number): void => {
  meter.steps += steps
  if (meter.steps <= MOST_REGEX_STEPS) return
  meter.steps = 0
  throw limitReached('steps', defaultLimits.steps)
}

/** The code of one of `jsonataErrors`, for callers that treat some of them in their own way. */
export const jsonataErrorCode = (error: unknown): keyof typeof jsonataErrors | undefined =>
  error instanceof AppError && Object.hasOwn(jsonataErrors, error.code)
    ? (error.code as keyof typeof jsonataErrors)
    : undefined

interface Described {
  readonly code?: unknown
  readonly message?: unknown
  readonly position?: unknown
}

const describe = (error: unknown): Described =>
  typeof error === 'object' && error !== null ? (error as Described) : {}

/** Expressions can throw texts of their own. */
const LONGEST_MESSAGE = 2_000

/** `T1006: Attempted to invoke a non-function` */
const textOf = (error: unknown): string => {
  const { code, message } = describe(error)
  const text = (typeof message === 'string' ? message : messageOf(error)).slice(0, LONGEST_MESSAGE)
  return typeof code === 'string' ? `${code}: ${text}` : text
}

const asJsonataError = (error: unknown): AppError => {
  if (error instanceof AppError) return error
  const { code, position } = describe(error)
  if (error instanceof RangeError) {
    return jsonataErrors.jsonata_limit('the expression nests too deeply or makes too long a text', {
      details: { limit: 'depth' },
      cause: error,
    })
  }
  return jsonataErrors.jsonata_failed(textOf(error), { details: { jsonataCode: code, position }, cause: error })
}
