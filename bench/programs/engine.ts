/** Loads on the engine within one process, as a library is used: driver and engine share the event loop. */
import { join } from 'node:path'
import { type BenchEngine, startBenchEngine } from '../support/engine.ts'
import { inFlight } from '../support/in-flight.ts'
import { serve } from '../support/serve.ts'

export interface SerialInput {
  readonly target: string
  readonly steps: number
  readonly count: number
}

export interface FleetInput extends SerialInput {
  readonly inFlight: number
}

export interface FleetResult {
  readonly seconds: number
  readonly cpuMs: number
  readonly transactions: number
}

export interface FloodResult {
  readonly acceptSeconds: number
  readonly drainSeconds: number
  readonly cpuMs: number
}

const folder = process.argv[2] as string
const bench = await startBenchEngine(join(folder, 'engine'))
let floods = 0

const cpuMs = (since: NodeJS.CpuUsage): number => {
  const { user, system } = process.cpuUsage(since)
  return (user + system) / 1000
}

const secondsSince = (startMs: number): number => (performance.now() - startMs) / 1000

/** Runs one after the other, in milliseconds each. */
const serial = async ({ target, steps, count }: SerialInput): Promise<number[]> => {
  const times: number[] = []
  for (let i = 0; i < count; i++) {
    const startMs = performance.now()
    await bench.run(target, steps)
    times.push(performance.now() - startMs)
  }
  return times
}

const fleet = async ({ target, steps, count, inFlight: width }: FleetInput): Promise<FleetResult> => {
  const before = bench.db.commitStats.transactions
  const cpu = process.cpuUsage()
  const startMs = performance.now()
  await inFlight(count, width, () => bench.run(target, steps))
  const seconds = secondsSince(startMs)
  return { seconds, cpuMs: cpuMs(cpu), transactions: bench.db.commitStats.transactions - before }
}

const newTask = (tenantId: string) => ({ tenantId, projectId: null, kind: 'noop', input: null, priority: 3 }) as const

/** Resolves at the commit of the last end; told by events, since asking the database would be part of the load. */
const drained = ({ hub, tenantId }: BenchEngine, count: number): Promise<void> =>
  new Promise((resolve) => {
    let done = 0
    hub.subscribe({ tenantId }, ({ type }) => {
      if (type === 'task.completed' && ++done === count) resolve()
    })
  })

/** `executorFirst`: accepted while others are being done; otherwise all are accepted first and the executor starts then. */
const flood = async (input: { count: number; executorFirst: boolean }): Promise<FloodResult> => {
  const own = await startBenchEngine(join(folder, `flood-${floods++}`), { executor: input.executorFirst })
  const allDone = drained(own, input.count)
  const cpu = process.cpuUsage()
  const startMs = performance.now()
  await inFlight(input.count, 500, () => own.tasks.create(newTask(own.tenantId)))
  const acceptSeconds = secondsSince(startMs)
  const drainMs = performance.now()
  if (!input.executorFirst) own.tasks.startExecutor()
  await allDone
  const drainSeconds = secondsSince(drainMs)
  const result = { acceptSeconds, drainSeconds, cpuMs: cpuMs(cpu) }
  await own.stop()
  return result
}

serve({ serial, fleet, flood }, () => bench.stop())
