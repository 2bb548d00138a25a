/** Load 5: SIGKILL in the middle of a run of 40 steps, and a start right after it. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { type Client, makeClient } from '../../src/sdk/index.ts'
import { repeats as repeatsOf } from '../../test/kill/checks.ts'
import { startServer } from '../../test/kill/server.ts'
import { freePort } from '../../test/support/free-port.ts'
import type { Bench, Measure } from '../bench.ts'
import { notedSteps, notedTasks } from '../code/loads.ts'
import { atMost, makeFigure } from '../figure.ts'
import { startBare } from '../support/bare-server.ts'
import { CODE } from '../support/server.ts'

const STEPS = 40
const KILL_AFTER = 20
const WITHIN_MS = 30_000

interface Line {
  readonly step: string
  readonly pid: string
}

const linesOf = async (file: string): Promise<Line[]> => {
  const text = await readFile(file, 'utf8').catch(() => '')
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => {
      const [step = '', pid = ''] = line.split(' ')
      return { step, pid }
    })
}

const until = async (isSo: () => Promise<boolean>): Promise<void> => {
  const endMs = performance.now() + WITHIN_MS
  while (!(await isSo())) {
    if (performance.now() > endMs) throw new Error(`nothing happened within ${WITHIN_MS} ms`)
    await pause(2)
  }
}

const killOnce = async (bench: Bench, workflow: string): Promise<{ seconds: number; repeated: number }> => {
  const dataDir = await bench.makeFolder('kill')
  const file = join(dataDir, 'steps.txt')
  const options = { port: await freePort(), dataDir, load: [CODE] }
  let server = startServer(options)
  try {
    await server.ready()
    const client: Client = makeClient({ url: server.url, key: await server.key() })
    const { id } = await client.runs.start({ workflow, input: { steps: STEPS, file } })
    await until(async () => (await linesOf(file)).length >= KILL_AFTER)
    const startMs = performance.now()
    await server.kill('SIGKILL')
    server = startServer(options)
    await until(async () => (await linesOf(file)).some((line) => line.pid === String(server.pid)))
    const seconds = (performance.now() - startMs) / 1000
    await server.ready()
    await until(async () => (await client.runs.find(id)).status === 'completed')
    const repeated = [...repeatsOf((await linesOf(file)).map((line) => line.step)).values()]
    return { seconds, repeated: repeated.reduce((sum, count) => sum + count - 1, 0) }
  } finally {
    await server.kill('SIGKILL')
  }
}

export const kill: Measure = {
  id: '5',
  about: `SIGKILL in the middle of a run of ${STEPS} steps, restart at once`,
  async run(bench) {
    const figures = []
    for (const [workflow, way] of [
      [notedSteps.name, 'local steps'],
      [notedTasks.name, 'tasks'],
    ] as const) {
      const results = await bench.repeat(async () => ({
        bare: await startBare(bench),
        ...(await killOnce(bench, workflow)),
      }))
      figures.push(
        makeFigure({
          load: '5',
          name: `${way}, until the next step`,
          unit: 's',
          values: results.map(({ seconds }) => seconds),
          aim: atMost(1),
          floor: { about: 'the start of a bare Fastify server', values: results.map(({ bare }) => bare) },
        }),
        makeFigure({
          load: '5',
          name: `${way}, most steps repeated`,
          unit: '',
          values: [Math.max(...results.map(({ repeated }) => repeated))],
          aim: atMost(1),
        }),
      )
    }
    return figures
  },
}
