/** Machines and inputs for measuring the States Language interpreter by itself, over a host that answers at once. */

import { type AslHost, compile, run } from '../../src/asl/index.ts'
import type { Json, JsonObject } from '../../src/platform/json.ts'
import { type Entry, runJournaled } from '../../test/asl/journal.ts'

const host: AslHost = {
  now: () => 0,
  random: () => 0.5,
  uuid: () => 'uuid',
  sleepUntil: async () => undefined,
  task: async ({ input }) => input,
}
const limits = { payloadBytes: 100_000_000 }

const machine = (states: Record<string, JsonObject>, more: JsonObject = {}): JsonObject => ({
  StartAt: Object.keys(states)[0] as string,
  States: states,
  ...more,
})

/** Compiled once; each call is one run. */
const runOf = (definition: JsonObject, input: Json): (() => Promise<void>) => {
  const program = compile(definition)
  return async () => {
    const result = await run(program, { input, host, limits })
    if (result.status !== 'SUCCEEDED') throw new Error(JSON.stringify(result).slice(0, 500))
  }
}

export const passChain = (length: number): (() => Promise<void>) => {
  const states = Array.from({ length }, (_, i): [string, JsonObject] => [
    `S${i}`,
    { Type: 'Pass', ...(i < length - 1 ? { Next: `S${i + 1}` } : { End: true }) },
  ])
  return runOf(machine(Object.fromEntries(states)), { n: 0 })
}

const countTo = (most: number): Record<string, JsonObject> => ({
  Count: { Type: 'Pass', Parameters: { 'n.$': 'States.MathAdd($.n, 1)' }, Next: 'Again' },
  Again: { Type: 'Choice', Choices: [{ Variable: '$.n', NumericLessThan: most, Next: 'Count' }], Default: 'Done' },
  Done: { Type: 'Succeed' },
})

/** A Pass that counts and a Choice that asks whether to go on: two transitions a round. */
export const choiceLoop = (transitions: number): (() => Promise<void>) =>
  runOf(machine(countTo(transitions / 2)), { n: 0 })

export const choiceLoopInJsonata = (transitions: number): (() => Promise<void>) => {
  const Condition = `{% $states.input.n < ${transitions / 2} %}`
  const states = {
    Count: { Type: 'Pass', Output: { n: '{% $states.input.n + 1 %}' }, Next: 'Again' },
    Again: { Type: 'Choice', Choices: [{ Condition, Next: 'Count' }], Default: 'Done' },
    Done: { Type: 'Succeed' },
  }
  return runOf(machine(states, { QueryLanguage: 'JSONata' }), { n: 0 })
}

export const mapOfTasks = (items: number): (() => Promise<void>) => {
  const ItemProcessor = machine({ Item: { Type: 'Task', Resource: 'x', End: true } })
  const input = Array.from({ length: items }, (_, i): Json => ({ i }))
  return runOf(machine({ Map: { Type: 'Map', ItemProcessor, End: true } }), input)
}

/** A loop of tasks, played back from its journal as after a crash: two transitions for each answer. */
export const replay = (transitions: number): (() => Promise<void>) => {
  const answers = transitions / 2
  const Count = { Type: 'Task', Resource: 'x', ResultSelector: { 'n.$': 'States.MathAdd($.n, 1)' }, Next: 'Again' }
  const program = compile(machine({ ...countTo(answers), Count }))
  const journal = Array.from({ length: answers }, (_, n): Entry => {
    return { key: n === 0 ? 'Count' : `Count#${n + 1}`, outcome: { output: { n } }, atMs: 0 }
  })
  const world = { answer: () => ({ output: null }), choose: (keys: readonly string[]) => keys[0] as string }
  return async () => {
    await runJournaled({ program, input: { n: 0 }, world, journal })
  }
}
