/**
 * How fast the interpreter is by itself, over a host that answers at once: `node test/asl/speed.ts`.
 * One warm-up, then the best of three; what the engine adds is measured elsewhere.
 */
import { type AslHost, compile, run } from '../../src/asl/index.ts'
import type { Json, JsonObject } from '../../src/platform/json.ts'
import { type Entry, runJournaled } from './journal.ts'

const host: AslHost = {
  now: () => 0,
  random: () => 0.5,
  uuid: () => 'uuid',
  sleepUntil: async () => undefined,
  task: async ({ input }) => input,
}
const limits = { payloadBytes: 100_000_000 }

const measure = async (name: string, transitions: number, work: () => Promise<unknown>): Promise<void> => {
  await work()
  let bestMs = Number.POSITIVE_INFINITY
  for (let i = 0; i < 3; i++) {
    const startMs = performance.now()
    await work()
    bestMs = Math.min(bestMs, performance.now() - startMs)
  }
  const perSecond = Math.round((transitions / bestMs) * 1000).toLocaleString('en')
  console.log(`${name.padEnd(44)} ${bestMs.toFixed(1).padStart(8)} ms ${perSecond.padStart(12)} transitions/s`)
}

const machine = (states: Record<string, JsonObject>, more: JsonObject = {}): JsonObject => ({
  StartAt: Object.keys(states)[0]!,
  States: states,
  ...more,
})

const runOf = (definition: JsonObject, input: Json): (() => Promise<void>) => {
  const program = compile(definition)
  return async () => {
    const result = await run(program, { input, host, limits })
    if (result.status !== 'SUCCEEDED') throw new Error(JSON.stringify(result).slice(0, 500))
  }
}

const chain = Object.fromEntries(
  Array.from({ length: 10_000 }, (_, i): [string, JsonObject] => [
    `S${i}`,
    { Type: 'Pass', ...(i < 9_999 ? { Next: `S${i + 1}` } : { End: true }) },
  ]),
)
const countTo = (most: number): Record<string, JsonObject> => ({
  Count: { Type: 'Pass', Parameters: { 'n.$': 'States.MathAdd($.n, 1)' }, Next: 'Again' },
  Again: { Type: 'Choice', Choices: [{ Variable: '$.n', NumericLessThan: most, Next: 'Count' }], Default: 'Done' },
  Done: { Type: 'Succeed' },
})
const countInJsonata = (most: number): Record<string, JsonObject> => ({
  Count: { Type: 'Pass', Output: { n: '{% $states.input.n + 1 %}' }, Next: 'Again' },
  Again: {
    Type: 'Choice',
    Choices: [{ Condition: `{% $states.input.n < ${most} %}`, Next: 'Count' }],
    Default: 'Done',
  },
  Done: { Type: 'Succeed' },
})
const map = (state: JsonObject, more: JsonObject = {}): Record<string, JsonObject> => ({
  Map: { Type: 'Map', ItemProcessor: machine({ Item: { ...state, End: true } }), End: true, ...more },
})
const items = Array.from({ length: 10_000 }, (_, i): Json => ({ i }))
const task = { Type: 'Task', Resource: 'x' }

await measure('Pass chain of 10,000', 10_000, runOf(machine(chain), { n: 0 }))
await measure('Choice loop of 10,000', 10_000, runOf(machine(countTo(5_000)), { n: 0 }))
await measure(
  'Choice loop of 10,000, JSONata',
  10_000,
  runOf(machine(countInJsonata(5_000), { QueryLanguage: 'JSONata' }), { n: 0 }),
)
await measure('Map of 10,000 items, one Pass each', 10_000, runOf(machine(map({ Type: 'Pass' })), items))
await measure('Map of 10,000 items, one Task each', 10_000, runOf(machine(map(task)), items))
await measure(
  'Map of 10,000 items, ItemSelector',
  10_000,
  runOf(machine(map({ Type: 'Pass' }, { ItemSelector: { 'v.$': '$$.Map.Item.Value' } })), items),
)
await measure(
  'Map of 10,000 items, ItemSelector in JSONata',
  10_000,
  runOf(
    machine(map({ Type: 'Pass' }, { ItemSelector: { v: '{% $states.context.Map.Item.Value %}' } }), {
      QueryLanguage: 'JSONata',
    }),
    items,
  ),
)

// A run of 10,000 answered tasks, played back from its journal as after a crash.
const ask = {
  ...countTo(10_000),
  Count: { Type: 'Task', Resource: 'x', ResultSelector: { 'n.$': 'States.MathAdd($.n, 1)' }, Next: 'Again' },
}
const program = compile(machine(ask))
const journal: Entry[] = Array.from({ length: 10_000 }, (_, n) => {
  return { key: n === 0 ? 'Count' : `Count#${n + 1}`, outcome: { output: { n } }, atMs: 0 }
})
const world = { answer: () => ({ output: null }), choose: (keys: readonly string[]) => keys[0]! }
await measure('replay of 10,000 answers (20,000 transitions)', 20_000, () =>
  runJournaled({ program, input: { n: 0 }, world, journal }),
)
