/** What goes wrong and when, drawn from a seed before anything starts: two lanes of faults, which meet at random. */
import type { Random } from '../kill/random.ts'

/** What befalls processes of AIDOS. */
export const ROLE_FAULTS = ['kill', 'kill-role', 'freeze-long', 'freeze-short', 'terminate'] as const
/** What befalls the servers under them, and the connections to them. */
export const SERVER_FAULTS = [
  'redis-kill-primary',
  'redis-kill-replica',
  'redis-freeze-primary',
  'redis-flush',
  'redis-cut',
  'postgres-fast',
  'postgres-immediate',
  'postgres-cut',
  'postgres-freeze',
] as const
export type FaultKind = (typeof ROLE_FAULTS)[number] | (typeof SERVER_FAULTS)[number]

export interface PlannedFault {
  readonly kind: FaultKind
  /** Quiet time before it, after the end of the one before in the same lane. */
  readonly afterMs: number
  /** From 0 to 1: picks the victim among those that are there then. */
  readonly victim: number
  /** From 0 to 1: how long, within the bounds of its kind. */
  readonly length: number
}

export interface Plan {
  readonly roles: readonly PlannedFault[]
  readonly servers: readonly PlannedFault[]
}

const SHORTEST_QUIET_MS = 1500
const LONGEST_QUIET_MS = 6000

const shuffled = <T>(values: readonly T[], random: Random): T[] =>
  values
    .map((value) => ({ value, rank: random() }))
    .toSorted((a, b) => a.rank - b.rank)
    .map(({ value }) => value)

/** Round after round, each kind once per round, so that a short test meets every kind too. */
const lane = (kinds: readonly FaultKind[], count: number, random: Random): PlannedFault[] => {
  const faults: PlannedFault[] = []
  while (faults.length < count) {
    for (const kind of shuffled(kinds, random)) {
      const afterMs = Math.round(SHORTEST_QUIET_MS + random() * (LONGEST_QUIET_MS - SHORTEST_QUIET_MS))
      faults.push({ kind, afterMs, victim: random(), length: random() })
    }
  }
  return faults.slice(0, count)
}

/** More than fit into the time: how many do depends on the machine; the seed says which come, and in what order. */
export const makePlan = (seconds: number, random: Random, only?: readonly FaultKind[]): Plan => {
  const most = Math.ceil((seconds * 1000) / SHORTEST_QUIET_MS)
  const wanted = (kinds: readonly FaultKind[]): FaultKind[] => kinds.filter((kind) => !only || only.includes(kind))
  const laneOf = (kinds: readonly FaultKind[]): PlannedFault[] =>
    wanted(kinds).length === 0 ? [] : lane(wanted(kinds), most, random)
  return { roles: laneOf(ROLE_FAULTS), servers: laneOf(SERVER_FAULTS) }
}
