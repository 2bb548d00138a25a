/** Load 4: what the system takes while nobody asks anything of it. */
import { setTimeout as pause } from 'node:timers/promises'
import type { Measure } from '../bench.ts'
import { atMost, makeFigure } from '../figure.ts'
import { cpuMsOf, residentMb } from '../support/proc.ts'
import { startProgram } from '../support/program.ts'
import { runOver, startBenchServer } from '../support/server.ts'

const SETTLE_MS = 3000

const watch = async (pids: readonly number[], seconds: number): Promise<number[]> => {
  const before = await Promise.all(pids.map(cpuMsOf))
  await pause(seconds * 1000)
  const after = await Promise.all(pids.map(cpuMsOf))
  return after.map((ms, i) => ((ms - before[i]!) / (seconds * 1000)) * 100)
}

export const idle: Measure = {
  id: '4',
  about: 'the idle system, after some runs',
  async run(bench) {
    const { idleSeconds } = bench
    const bare = await startProgram({ name: 'floor', args: [await bench.makeFolder('floor')] })
    const server = await startBenchServer(bench)
    try {
      for (let i = 0; i < 20; i++) await runOver(server, 'task-steps', 10)
      await pause(SETTLE_MS)
      const [cpu = Number.NaN, bareCpu = Number.NaN] = await watch([server.pid, bare.pid], idleSeconds)
      const [memory, bareMemory] = await Promise.all([residentMb(server.pid), residentMb(bare.pid)])
      const about = 'a bare Fastify server'
      return [
        makeFigure({
          load: '4',
          name: `CPU over ${idleSeconds} s`,
          unit: '%',
          values: [cpu],
          aim: atMost(0.5),
          // A ratio to next to nothing says nothing.
          ...(bareCpu > 0 ? { floor: { about, values: [bareCpu] } } : {}),
        }),
        makeFigure({
          load: '4',
          name: 'resident memory',
          unit: 'MB',
          values: [memory],
          aim: atMost(150),
          floor: { about, values: [bareMemory] },
        }),
      ]
    } finally {
      await server.stop()
      await bare.stop()
    }
  },
}
