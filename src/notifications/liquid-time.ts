/**
 * Liquid looks at its clock between the parts of a template, and not within one: a filter that evaluates an expression for each element of
 * an array, or an expression of many comparisons, could hold up the process for hours. With these it looks there, too.
 */
import { type Context, defaultOperators, type Liquid } from 'liquidjs'

type Operators = typeof defaultOperators
type Operator = (...operands: unknown[]) => boolean

const checkTime = ({ renderLimit }: Context): void => renderLimit.check(performance.now())

/** An expression within a filter is parsed for each rendering, and the limit on a template does not count it. */
const EXPRESSION_CHARACTERS = 1000

/** The operators of Liquid, each of which looks at the clock first. */
export const timedOperators = (): Operators => {
  const timed = Object.entries(defaultOperators).map(([name, operator]) => {
    const look = (...operands: unknown[]): boolean => {
      checkTime(operands.at(-1) as Context)
      return (operator as Operator)(...operands)
    }
    return [name, look] as const
  })
  return Object.fromEntries(timed)
}

/** Has the filters that go through an array step by step look at the clock between two steps. */
export const timeFilters = ({ filters }: Liquid): void => {
  for (const [name, filter] of Object.entries(filters)) {
    if (typeof filter !== 'function') continue
    const takesExpression = name.endsWith('_exp')
    filters[name] = function (value: unknown, ...given: unknown[]): unknown {
      if (takesExpression && String(given[1]).length > EXPRESSION_CHARACTERS)
        throw new Error(`the expression of ${name} is longer than ${EXPRESSION_CHARACTERS} characters`)
      const result: unknown = filter.call(this, value, ...given)
      return isSteps(result) ? timed(result, this.context) : result
    }
  }
}

type Steps = Generator<unknown, unknown, unknown>

const isSteps = (value: unknown): value is Steps =>
  Object.prototype.toString.call(value) === '[object Generator]' && typeof (value as Steps).next === 'function'

function* timed(steps: Steps, context: Context): Steps {
  for (let step = steps.next(); ; ) {
    if (step.done) return step.value
    const value: unknown = yield step.value
    checkTime(context)
    step = steps.next(value)
  }
}
