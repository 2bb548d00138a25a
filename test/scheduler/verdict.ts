/** Judges what is left when all is over: each expected time fired once, started one thing, and that was done once. */
import { type Check, makeCheck, repeats } from '../kill/checks.ts'
import type { Load } from './loads.ts'

export interface FireRow {
  readonly schedule: string
  readonly plannedAtMs: number
  readonly dueAtMs: number
  readonly status: string
  /** When the run or task that it started was made; undefined: it started none that is there. */
  readonly bornAtMs: number | undefined
}

export interface Story {
  readonly loads: readonly Load[]
  readonly fires: readonly FireRow[]
  /** Keys of all runs and tasks that there are; null: one that no schedule has started. */
  readonly keys: readonly (string | null)[]
  /** `schedule plannedAtMs` of each time that the work was done. */
  readonly lines: readonly string[]
}

const missingFrom = (wanted: Iterable<string>, there: ReadonlySet<string>, what: string): string[] =>
  [...wanted].filter((each) => !there.has(each)).map((each) => `${each} ${what}`)

export const judge = ({ loads, fires, keys, lines }: Story): Check[] => {
  const expected = new Set(loads.flatMap(({ name, expectedMs }) => expectedMs.map((ms) => `${name} ${ms}`)))
  const fired = new Set(fires.map(({ schedule, plannedAtMs }) => `${schedule} ${plannedAtMs}`))
  const done = new Set(lines)
  return [
    makeCheck('there is something to judge', expected.size > 0 ? [] : ['no time was expected']),
    makeCheck('every expected time has a fire', missingFrom(expected, fired, 'did not fire')),
    makeCheck('no other time has a fire', missingFrom(fired, expected, 'fired and should not have')),
    makeCheck(
      'every fire completed',
      fires
        .filter(({ status }) => status !== 'completed')
        .map((fire) => `${fire.schedule} ${fire.plannedAtMs} is ${fire.status}`),
    ),
    makeCheck(
      'as many runs and tasks are there as fires',
      keys.length === fires.length ? [] : [`${keys.length} for ${fires.length} fires`],
    ),
    makeCheck(
      'no key started two things',
      [...repeats(keys.map(String))].map(([key, count]) => `${key} ${count} times`),
    ),
    makeCheck('the work of every expected time was done', missingFrom(expected, done, 'was not done')),
    makeCheck(
      'no work was done twice',
      [...repeats(lines)].map(([line, count]) => `${line} ${count} times`),
    ),
  ]
}

/** The smallest value that at least `share` (0 to 1) of all do not exceed. */
const percentile = (values: readonly number[], share: number): number =>
  values.toSorted((a, b) => a - b)[Math.max(0, Math.ceil(share * values.length) - 1)] ?? Number.NaN

/** Milliseconds from when each fire was due to the birth of what it started. */
export const showLateness = (fires: readonly FireRow[]): string => {
  const values = fires.flatMap(({ dueAtMs, bornAtMs }) => (bornAtMs === undefined ? [] : [bornAtMs - dueAtMs]))
  const at = (share: number): string => `${Math.round(percentile(values, share))} ms`
  return `lateness of ${values.length} fires: p50 ${at(0.5)}, p90 ${at(0.9)}, p99 ${at(0.99)}, most ${at(1)}`
}
