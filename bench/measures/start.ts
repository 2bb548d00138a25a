/** From the birth of the process to the first 200 of `/readyz`, on an empty folder and on one that was used before. */
import { startServer } from '../../test/kill/server.ts'
import { freePort } from '../../test/support/free-port.ts'
import type { Measure } from '../bench.ts'
import { atMost, type Figure, makeFigure } from '../figure.ts'
import { startBare } from '../support/bare-server.ts'
import { CODE } from '../support/server.ts'

/** Seconds until AIDOS is ready over that folder. */
const startIn = async (dataDir: string): Promise<number> => {
  const port = await freePort()
  const startMs = performance.now()
  const server = startServer({ port, dataDir, load: [CODE] })
  await server.ready()
  const seconds = (performance.now() - startMs) / 1000
  await server.kill('SIGTERM')
  return seconds
}

export const coldStart: Measure = {
  id: 'start',
  about: 'cold start of the server to ready',
  async run(bench) {
    await startIn(await bench.makeFolder('warm-up'))
    const repeats = await bench.repeat(async () => {
      const bare = await startBare(bench)
      const folder = await bench.makeFolder('start')
      return { bare, first: await startIn(folder), again: await startIn(folder) }
    })
    const floor = { about: 'a bare Fastify server over the same tables', values: repeats.map(({ bare }) => bare) }
    const figure = (name: string, values: number[]): Figure =>
      makeFigure({ load: 'start', name, unit: 's', values, floor, aim: atMost(1) })
    return [
      figure(
        'ready, first start',
        repeats.map(({ first }) => first),
      ),
      figure(
        'ready, next start',
        repeats.map(({ again }) => again),
      ),
    ]
  },
}
