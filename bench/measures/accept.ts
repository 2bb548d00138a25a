/** Tasks accepted over HTTP, beside a bare Fastify route that inserts the same row. */
import type { Measure } from '../bench.ts'
import { atLeast, type Figure, makeFigure } from '../figure.ts'
import type { HttpLoadInput, HttpLoadResult } from '../programs/http-load.ts'
import { startProgram } from '../support/program.ts'
import { startBenchServer } from '../support/server.ts'

const CONNECTIONS = 50
const SECONDS = 3
const WARM_UP_SECONDS = 2
/** Of the bare route's rate. */
const AIM_SHARE = 0.6

/** `later`: their time has not come, so that accepting is all that is done; `now`: the same process does them as well. */
const BODIES = {
  later: { kind: 'noop', input: null, delay: '1 day' },
  now: { kind: 'noop', input: null },
} as const

export const accept: Measure = {
  id: 'accept',
  about: `POST /v1/tasks on ${CONNECTIONS} connections, from another process`,
  async run(bench) {
    const server = await startBenchServer(bench)
    const driver = await startProgram({ name: 'http-load' })
    const bare = await startProgram({ name: 'floor', args: [await bench.makeFolder('bare')] })
    try {
      const bareUrl = await bare.ask<string>('url')
      const load = async (url: string, body: unknown, seconds = SECONDS): Promise<HttpLoadResult> => {
        const input: HttpLoadInput = { url, headers: server.headers, body, connections: CONNECTIONS, seconds }
        const result = await driver.ask<HttpLoadResult>('load', input)
        if (result.refused > 0) throw new Error(`${result.refused} requests to ${url} were refused`)
        return result
      }
      const tasksUrl = `${server.url}/v1/tasks`
      await load(`${bareUrl}/grouped`, BODIES.later, WARM_UP_SECONDS)
      await load(tasksUrl, BODIES.later, WARM_UP_SECONDS)
      const repeats = await bench.repeat(async () => ({
        single: await load(`${bareUrl}/single`, BODIES.later),
        grouped: await load(`${bareUrl}/grouped`, BODIES.later),
        later: await load(tasksUrl, BODIES.later),
      }))
      const busy = await bench.repeat(() => load(tasksUrl, BODIES.now))

      const rate = (name: string, results: readonly HttpLoadResult[], floor?: 'single' | 'grouped'): Figure =>
        makeFigure({
          load: 'accept',
          name,
          unit: 'requests/s',
          values: results.map((result) => result.rate),
          ...(floor && {
            floor: { about: `the bare route, ${floor}`, values: repeats.map((repeat) => repeat[floor].rate) },
          }),
        })
      const share = (floor: 'single' | 'grouped'): Figure =>
        makeFigure({
          load: 'accept',
          name: `accepted, as a share of the bare route with a ${floor === 'single' ? 'commit each' : 'group commit'}`,
          unit: '',
          values: repeats.map(({ later, [floor]: bare }) => later.rate / bare.rate),
          aim: atLeast(AIM_SHARE),
        })
      const times = (name: string, results: readonly HttpLoadResult[]): Figure[] =>
        (['p50Ms', 'p99Ms'] as const).map((key) =>
          makeFigure({
            load: 'accept',
            name: `${name}, ${key.slice(0, 3)}`,
            unit: 'ms',
            values: results.map((result) => result[key]),
            ...(results === busy
              ? {}
              : {
                  floor: { about: 'the bare route, grouped', values: repeats.map(({ grouped }) => grouped[key]) },
                }),
          }),
        )
      const later = repeats.map((repeat) => repeat.later)
      return [
        rate('accepted, to be done later', later, 'grouped'),
        share('single'),
        share('grouped'),
        ...times('accepted, to be done later', later),
        rate('accepted while being done', busy, 'grouped'),
        ...times('accepted while being done', busy),
      ]
    } finally {
      await driver.stop()
      await bare.stop()
      await server.stop()
    }
  },
}
