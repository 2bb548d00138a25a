/** Load 2: many runs at once. */
import type { Bench, Measure } from '../bench.ts'
import { type Aim, atLeast, atMost, type Figure, makeFigure } from '../figure.ts'
import type { FleetInput, FleetResult } from '../programs/engine.ts'
import { inFlight } from '../support/in-flight.ts'
import { cpuMsOf } from '../support/proc.ts'
import { type BenchServer, runOver, startBenchServer } from '../support/server.ts'

const RUNS = 500
const STEPS = 10
const WIDTH = 50
const CPU_AIM = atMost(0.3)

const WAYS: readonly { readonly target: string; readonly way: string; readonly aim: Aim }[] = [
  { target: 'local-steps', way: 'local steps', aim: atLeast(1000) },
  { target: 'task-steps', way: 'tasks', aim: atLeast(600) },
]

type Result = Pick<FleetResult, 'seconds' | 'cpuMs'>

const measure = async (bench: Bench, name: string, one: () => Promise<Result>, aim?: Aim): Promise<Figure[]> => {
  await one()
  const repeats = await bench.repeat(async () => {
    const rowMs = await bench.rowMs({ shape: 'row', group: WIDTH })
    return { ...(await one()), floorRate: 1000 / (rowMs * STEPS) }
  })
  const floor = {
    about: `bare inserts of ${STEPS} rows a run, ${WIDTH} rows a commit`,
    values: repeats.map(({ floorRate }) => floorRate),
  }
  const rates = repeats.map(({ seconds }) => RUNS / seconds)
  const cpu = repeats.map(({ cpuMs }) => cpuMs / (RUNS * STEPS))
  return [
    makeFigure({ load: '2', name, unit: 'runs/s', values: rates, floor, aim }),
    makeFigure({ load: '2', name: `${name}, CPU a step`, unit: 'ms', values: cpu, aim: CPU_AIM }),
  ]
}

const asLibrary = async (bench: Bench): Promise<Figure[]> => {
  const program = await bench.start({ name: 'engine', args: [await bench.makeFolder('engine')] })
  try {
    const figures: Figure[] = []
    for (const { target, way, aim } of WAYS) {
      const input: FleetInput = { target, steps: STEPS, count: RUNS, inFlight: WIDTH }
      figures.push(...(await measure(bench, `${way}, in process`, () => program.ask('fleet', input), aim)))
    }
    return figures
  } finally {
    await program.stop()
  }
}

const fleetOver = async (server: BenchServer, target: string): Promise<Result> => {
  const cpuBefore = await cpuMsOf(server.pid)
  const startMs = performance.now()
  await inFlight(RUNS, WIDTH, () => runOver(server, target, STEPS))
  return { seconds: (performance.now() - startMs) / 1000, cpuMs: (await cpuMsOf(server.pid)) - cpuBefore }
}

const overHttp = async (bench: Bench): Promise<Figure[]> => {
  const server = await startBenchServer(bench, WIDTH)
  try {
    const figures: Figure[] = []
    for (const { target, way } of WAYS) {
      figures.push(...(await measure(bench, `${way}, over HTTP`, () => fleetOver(server, target))))
    }
    return figures
  } finally {
    await server.stop()
  }
}

export const fleet: Measure = {
  id: '2',
  about: `${RUNS} runs of ${STEPS} steps that do nothing, ${WIDTH} in flight`,
  run: async (bench) => [...(await asLibrary(bench)), ...(await overHttp(bench))],
}
