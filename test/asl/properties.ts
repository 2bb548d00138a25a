/** What must hold for every definition, input and world. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import {
  compile,
  InvalidDefinition,
  type Program,
  parseDefinition,
  type RunResult,
  validate,
} from '../../src/asl/index.ts'
import type { JsonObject } from '../../src/platform/json.ts'
import { broken, definition, input, json, world } from './arbitrary.ts'
import { type Entry, runJournaled } from './journal.ts'

/** Small enough that an endless loop ends soon. */
const limits = { transitions: 150, jsonata: { steps: 2_000, timeMs: 60_000 } }

/** Errors that a user can look up, or that come from the world. */
const KNOWN =
  /^(Boom|Crash|States\.(Runtime|TaskFailed|Timeout|DataLimitExceeded|QueryEvaluationError|IntrinsicFailure|NoChoiceMatched|ResultPathMatchFailure|ExceedToleratedFailureThreshold|ItemReaderFailed|ResultWriterFailed))$/

const checkResult = (result: RunResult | undefined, one: JsonObject): void => {
  assert.ok(result, 'the run did not end')
  if (result.status === 'SUCCEEDED') {
    assert.notEqual(JSON.stringify(result.output), undefined)
    return
  }
  assert.ok(result.status === 'FAILED' || result.status === 'TIMED_OUT', `ended as ${result.status}`)
  // A Fail state may be called anything, or nothing.
  const isOwn = result.error === undefined || JSON.stringify(one).includes(JSON.stringify(result.error))
  assert.ok(isOwn || KNOWN.test(result.error!), `an error that nobody knows: ${result.error}`)
  assert.doesNotMatch(String(result.cause), /The interpreter failed/)
}

const compileOrNothing = (one: JsonObject): Program | undefined => {
  try {
    return compile(one)
  } catch (error) {
    assert.ok(error instanceof InvalidDefinition, `compile threw ${String(error)}`)
    assert.ok(error.findings.length > 0)
    return undefined
  }
}

/** Every run ends, in a result or a documented error; each state is entered and left in a sensible order. */
export const endsProperly = fc.asyncProperty(fc.oneof(definition, broken), input, world, async (one, value, around) => {
  const program = compileOrNothing(one)
  if (!program) return
  const { result } = await runJournaled({ program, input: value, world: around, journal: [], limits })
  checkResult(result, one)
})

/** Killed after any answer and replayed, a run gives the same result, by the same journal and the same timeline. */
export const replaysTheSame = fc.asyncProperty(definition, input, world, fc.nat(), async (one, value, around, at) => {
  const program = compileOrNothing(one)
  if (!program) return
  const whole = await runJournaled({ program, input: value, world: around, journal: [], limits })
  checkResult(whole.result, one)
  const points = new Set([0, at % (whole.journal.length + 1), whole.journal.length])
  for (const killAt of points) {
    const killed = await runJournaled({ program, input: value, world: around, journal: [], killAt, limits })
    // A fresh program: nothing may live on in the compiled one.
    const again = await runJournaled({
      program: compile(one),
      input: value,
      world: around,
      journal: killed.journal,
      limits,
    })
    assert.deepEqual(again.result, whole.result)
    assert.deepEqual(again.journal, whole.journal)
    assert.deepEqual(again.timeline, whole.timeline)
    assertPrefix(killed.journal, whole.journal)
  }
})

const assertPrefix = (part: readonly Entry[], whole: readonly Entry[]): void => {
  assert.deepEqual(part, whole.slice(0, part.length))
}

/** Whatever is handed to them, reading and checking answer with findings and never throw. */
export const checksAnything = fc.property(fc.oneof(json, broken, fc.anything()), fc.string(), (value, text) => {
  const { ok, findings } = validate(value)
  assert.equal(ok, !findings.some((finding) => finding.severity === 'error'))
  for (const finding of findings) assert.equal(typeof finding.location, 'string')
  parseDefinition(text)
  parseDefinition(text, 'yaml')
  parseDefinition(text, 'json')
})
