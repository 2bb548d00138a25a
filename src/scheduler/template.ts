/** The input of a fire: a JSON template whose texts of the form `{% … %}` are JSONata over `$fire`. */
import { createHash } from 'node:crypto'
import { type Finding, messageOf } from '../platform/errors.ts'
import type { Json, JsonObject } from '../platform/json.ts'
import { type CompiledJsonata, compileJsonata } from '../platform/jsonata.ts'
import { scheduleErrors } from './errors.ts'

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

const isExpression = (value: Json): value is string =>
  typeof value === 'string' && value.startsWith('{%') && value.endsWith('%}') && value.length >= 4

type Node = (facts: FireFacts) => Promise<Json>

/** Throws `schedule_invalid` with a finding per bad expression. */
export const compileTemplate = (template: Json): Template => {
  const findings: Finding[] = []
  const compiled = compileNode(template, 'input', findings)
  if (findings.length > 0) throw scheduleErrors.schedule_invalid('the input cannot be evaluated', { findings })
  return compiled ?? (async () => template)
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
  return async (facts) => {
    const pairs: [string, Json][] = []
    for (const { key, value, node } of entries) pairs.push([key, node ? await node(facts) : value])
    return isArray ? pairs.map(([, value]) => value) : (Object.fromEntries(pairs) as JsonObject)
  }
}

const compileExpression = (text: string, path: string, findings: Finding[]): Node | undefined => {
  const expression = readExpression(text, path, findings)
  return (
    expression &&
    (async (facts) => {
      try {
        // Nothing but the fire itself goes in, so that the same fire always asks for the same.
        return await expression.evaluate(
          undefined,
          { fire: facts },
          { now: () => facts.plannedAtMs, random: seeded(facts.key) },
        )
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
