/** The input of a fire: a JSON template whose texts of the form `{% … %}` are JSONata over `$fire`. */
import { createHash } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { type Finding, messageOf } from '../platform/errors.ts'
import type { Json, JsonObject } from '../platform/json.ts'
import { type CompiledJsonata, compileJsonata } from '../platform/jsonata.ts'
import { invalidSchedule, scheduleErrors } from './errors.ts'

/** What an expression learns of the fire. */
export type FireFacts = {
  /** ISO 8601, UTC. */
  plannedAt: string
  plannedAtMs: number
  schedule: string
  cause: string
  key: string
}

export type Template = (facts: FireFacts) => Promise<Json>

const EXPRESSIONS_MAX = 100
/** Of each expression: a schedule that makes up for its past evaluates them thousands of times. */
const STEPS_MAX = 20_000
/** Characters, of one value and of all that the expressions of an input give together. */
const SIZE_MAX = 1_000_000

const isExpression = (value: Json): value is string =>
  typeof value === 'string' && value.startsWith('{%') && value.endsWith('%}') && value.length >= 4

type Node = (facts: FireFacts, size: Size) => Promise<Json>

/** What the expressions of one input have given so far. */
interface Size {
  characters: number
}

/** Throws `schedule_invalid` with a finding per bad expression. */
export const compileTemplate = (template: Json): Template => {
  const findings: Finding[] = []
  const count = countExpressions(template)
  if (count > EXPRESSIONS_MAX) {
    const expected = `at most ${EXPRESSIONS_MAX}`
    findings.push({ path: 'input', message: `holds ${count} expressions; allowed: ${expected}`, expected })
  }
  const compiled = findings.length === 0 ? compileNode(template, 'input', findings) : undefined
  if (findings.length > 0) throw invalidSchedule('the input cannot be evaluated', findings)
  return compiled ? (facts) => compiled(facts, { characters: 0 }) : async () => template
}

const countExpressions = (template: Json): number => {
  if (isExpression(template)) return 1
  if (typeof template !== 'object' || template === null) return 0
  return Object.values(template).reduce<number>((sum, value) => sum + countExpressions(value as Json), 0)
}

/** Undefined when nothing in it has to be evaluated. */
const compileNode = (template: Json, path: string, findings: Finding[]): Node | undefined => {
  if (isExpression(template)) return compileExpression(template, path, findings)
  if (typeof template !== 'object' || template === null) return undefined
  const isArray = Array.isArray(template)
  const entries = Object.entries(template).map(([key, value]) => {
    return { key, value, node: compileNode(value, `${path}.${key}`, findings) }
  })
  if (entries.every(({ node }) => node === undefined)) return undefined
  return async (facts, size) => {
    const pairs: [string, Json][] = []
    for (const { key, value, node } of entries) pairs.push([key, node ? await node(facts, size) : value])
    return isArray ? pairs.map(([, value]) => value) : (Object.fromEntries(pairs) as JsonObject)
  }
}

const compileExpression = (text: string, path: string, findings: Finding[]): Node | undefined => {
  const expression = readExpression(text, path, findings)
  return (
    expression &&
    (async (facts, size) => {
      // Many in a row leave others their turn.
      await nextTurn()
      try {
        // Nothing but the fire itself goes in, so that the same fire always asks for the same.
        const limits = { steps: STEPS_MAX, size: SIZE_MAX }
        const options = { now: () => facts.plannedAtMs, random: seeded(facts.key), limits }
        const value = await expression.evaluate(undefined, { fire: facts }, options)
        size.characters += JSON.stringify(value).length
        if (size.characters <= SIZE_MAX) return value
        throw new Error(`the expressions give more than ${SIZE_MAX} characters of JSON together`)
      } catch (cause) {
        throw scheduleErrors.schedule_input_failed(`${path}: ${messageOf(cause)}`, { cause })
      }
    })
  )
}

const readExpression = (text: string, path: string, findings: Finding[]): CompiledJsonata | undefined => {
  try {
    const compiled = compileJsonata(text.slice(2, -2).trim())
    const unknown = [...compiled.freeVariables].filter((name) => name !== 'fire')
    if (unknown.length === 0) return compiled
    findings.push({ path, message: `knows no variable $${unknown[0]}`, given: text, expected: '$fire' })
  } catch (error) {
    findings.push({ path, message: messageOf(error), given: text, expected: 'a JSONata expression' })
  }
  return undefined
}

const seeded = (seed: string): (() => number) => {
  let count = 0
  return () => createHash('sha256').update(`${seed}#${count++}`).digest().readUInt32BE(0) / 2 ** 32
}
