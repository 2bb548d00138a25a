/**
 * The long run of the fuzzer: `node test/asl/fuzz.ts [ITERATIONS [SEED]]`, or `AIDOS_FUZZ_ITERATIONS`; 20,000 by default.
 * Prints the counterexample and the seed when a property does not hold, and exits with 1.
 */
import fc from 'fast-check'
import { checksAnything, endsProperly, replaysTheSame } from './properties.ts'

const [, , iterations = process.env.AIDOS_FUZZ_ITERATIONS ?? '20000', seed] = process.argv
const numRuns = Number(iterations)
const options = { numRuns, ...(seed === undefined ? {} : { seed: Number(seed) }) }

const check = async (name: string, work: () => Promise<void> | void): Promise<void> => {
  const startMs = performance.now()
  await work()
  console.log(`${name}: ${numRuns} held, ${((performance.now() - startMs) / 1000).toFixed(1)} s`)
}

await check('checks anything', () => fc.assert(checksAnything, options))
await check('ends properly', () => fc.assert(endsProperly, options))
await check('replays the same', () => fc.assert(replaysTheSame, options))
