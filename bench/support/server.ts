/** A server for a measurement: `aidos start` with its defaults, ready, with a way to ask it over keep-alive connections. */
import { fileURLToPath } from 'node:url'
import { Pool } from 'undici'
import { startServer } from '../../test/kill/server.ts'
import { freePort } from '../../test/support/free-port.ts'
import type { Bench } from '../bench.ts'

export interface BenchServer {
  readonly pid: number
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  /** Sends the body and reads the answer; rejects when it is no success. */
  post<T>(path: string, body: unknown): Promise<T>
  stop(): Promise<void>
}

export const CODE = fileURLToPath(new URL('../code', import.meta.url))

export const startBenchServer = async (bench: Bench, connections = 1): Promise<BenchServer> => {
  const dataDir = await bench.makeFolder('server')
  const server = startServer({ port: await freePort(), dataDir, load: [CODE], env: { LOG_LEVEL: 'info' } })
  await server.ready()
  const pool = new Pool(server.url, { connections, pipelining: 1 })
  const headers = { authorization: `Bearer ${await server.key()}`, 'content-type': 'application/json' }
  return {
    pid: server.pid,
    url: server.url,
    headers,
    async post(path, body) {
      const answer = await pool.request({ method: 'POST', path, headers, body: JSON.stringify(body) })
      const text = await answer.body.text()
      if (answer.statusCode >= 300) throw new Error(`POST ${path} answered ${answer.statusCode}: ${text}`)
      return JSON.parse(text)
    },
    async stop() {
      await pool.close()
      await server.kill('SIGTERM')
    },
  }
}

/** Runs a workflow of `bench/code/` to its end; throws when it does not complete. */
export const runOver = async (server: BenchServer, workflow: string, steps: number): Promise<void> => {
  const run = await server.post<{ status: string }>('/v1/runs?wait=60000', { workflow, input: { steps } })
  if (run.status !== 'completed') throw new Error(`a run of ${workflow} is ${run.status}`)
}
