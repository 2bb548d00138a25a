/** How long the system took to do something again, after each fault and during it. */

import type { DoneFault } from './faults.ts'
import type { Promised } from './load.ts'
import type { FaultKind } from './plan.ts'
import type { Remains } from './remains.ts'

export interface Recovery {
  readonly kind: FaultKind
  readonly count: number
  /** From the fault's end to the next completed piece of work. */
  readonly medianMs: number
  readonly worstMs: number
  /** The longest time without any, from the fault's beginning to a while after it. */
  readonly worstPauseMs: number
}

/** A pause that begins later is laid to another fault's charge. */
const AFTERMATH_MS = 10_000

const medianOf = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0

export const measureRecovery = (faults: readonly DoneFault[], { journal, tasks, runs }: Remains): Recovery[] => {
  const times = [
    ...journal.map(({ atMs }) => atMs),
    ...[...tasks, ...runs].flatMap(({ finishedAtMs }) => finishedAtMs ?? []),
  ].toSorted((a, b) => a - b)
  const nextAfter = (ms: number): number | undefined => times.find((time) => time > ms)
  const pauseAround = ({ fromMs, endMs }: DoneFault): number => {
    const near = times.filter((time) => time >= fromMs && time <= endMs + AFTERMATH_MS)
    const edges = [fromMs, ...near]
    return Math.max(0, ...edges.slice(1).map((time, i) => time - (edges[i] ?? time)))
  }
  return [...Map.groupBy(faults, ({ kind }) => kind)].map(([kind, ofKind]) => {
    const waits = ofKind.map(({ endMs }) => (nextAfter(endMs) ?? endMs) - endMs)
    const pauses = ofKind.map(pauseAround)
    return {
      ...{ kind, count: ofKind.length, medianMs: medianOf(waits) },
      worstMs: Math.max(...waits),
      worstPauseMs: Math.max(...pauses),
    }
  })
}

/** Tasks without a delay that took longest from their birth to their end. */
export const slowestTasks = ({ tasks }: Remains, promised: readonly Promised[]): string => {
  const delayed = new Set(promised.filter(({ notBeforeMs }) => notBeforeMs !== undefined).map(({ id }) => id))
  const times = tasks
    .filter(({ id, kind, finishedAtMs }) => kind === 'chaos-effect' && finishedAtMs !== null && !delayed.has(id))
    .map(({ id, lost, createdAtMs, finishedAtMs }) => ({ id, lost, ms: (finishedAtMs ?? 0) - createdAtMs }))
    .toSorted((a, b) => b.ms - a.ms)
  const shown = times.slice(0, 3).map(({ id, lost, ms }) => `${ms} ms (${id}${lost > 0 ? `, lost ${lost} times` : ''})`)
  return `a task took ${medianOf(times.map(({ ms }) => ms))} ms in the middle; the slowest: ${shown.join(', ')}`
}

export const showRecovery = (recoveries: readonly Recovery[]): string =>
  [
    'fault                  times   to the next completed work: median    worst   longest pause around it',
    ...recoveries.map(
      ({ kind, count, medianMs, worstMs, worstPauseMs }) =>
        `${kind.padEnd(22)} ${String(count).padStart(5)} ${`${medianMs} ms`.padStart(38)} ${`${worstMs} ms`.padStart(8)} ${`${worstPauseMs} ms`.padStart(12)}`,
    ),
  ].join('\n')
