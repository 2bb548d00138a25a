/** The schedules of the test, each beside the times that it must fire at, which are reckoned here without the scheduler's code. */

export interface Load {
  readonly name: string
  /** Of `POST /v1/schedules`. */
  readonly body: Readonly<Record<string, unknown>>
  readonly expectedMs: readonly number[]
}

export interface LoadOptions {
  readonly startMs: number
  /** Not included. */
  readonly endMs: number
  /** Where the lines go. */
  readonly file: string
  /** Of each kind. */
  readonly count: number
}

const beat = (fromMs: number, endMs: number, everyMs: number): number[] => {
  const times: number[] = []
  for (let ms = fromMs; ms < endMs; ms += everyMs) times.push(ms)
  return times
}

const KINDS = [
  { kind: 'second', everyMs: 1000, body: { target: { task: 'tick' }, overlap: 'allow' } },
  { kind: 'cron', everyMs: 2000, body: { target: { workflow: 'tick-run' }, overlap: 'allow' } },
  { kind: 'queued', everyMs: 3000, body: { target: { task: 'tick' }, overlap: 'queue-all' } },
  { kind: 'jittered', everyMs: 2000, body: { target: { task: 'tick' }, overlap: 'allow', jitter: 1000 } },
] as const

/** `startMs` is a whole even second, so that the cron's beat begins there. */
export const makeLoads = ({ startMs, endMs, file, count }: LoadOptions): Load[] =>
  KINDS.flatMap(({ kind, everyMs, body }) =>
    Array.from({ length: count }, (_, index) => {
      const name = `${kind}-${index}`
      // Spread over the second, where the kind lets them be.
      const firstMs = kind === 'cron' ? startMs : startMs + Math.floor((index * 1000) / count)
      const timing =
        kind === 'cron' ? { cron: '*/2 * * * * *' } : { every: everyMs, anchor: new Date(firstMs).toISOString() }
      return {
        name,
        expectedMs: beat(firstMs, endMs, everyMs),
        body: {
          ...{ name, timing, ...body, missed: 'fire-all', catchUp: '1 hour' },
          ...{ startAt: new Date(startMs).toISOString(), endAt: new Date(endMs).toISOString() },
          input: { file, schedule: name, plannedAtMs: '{% $fire.plannedAtMs %}' },
        },
      }
    }),
  )
