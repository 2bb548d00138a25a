/** The receiver of receiver-process.ts, seen from a test. */
import path from 'node:path'
import type { Cleanup } from '../support/cleanup.ts'
import { type StartedProcess, startProcess } from '../support/start-process.ts'
import type { ReceivedCall, Script } from './receiver-process.ts'

export interface ReceiverProcess {
  readonly port: number
  readonly process: StartedProcess
  /** Where calls of that path go. */
  urlOf(name: string): string
  script(name: string, script: Script): Promise<void>
  /** What came, and how many calls were open at a time. */
  calls(name: string): Promise<{ readonly calls: readonly ReceivedCall[]; readonly mostOpen: number }>
}

export const startReceiverProcess = async (t: Cleanup, port = 0): Promise<ReceiverProcess> => {
  const program = path.join(import.meta.dirname, 'receiver-process.ts')
  const process = await startProcess(t, { args: [program, String(port)] })
  const [, found] = await process.waitFor(/port (\d+)/)
  const url = `http://127.0.0.1:${found}`
  return {
    port: Number(found),
    process,
    urlOf: (name) => `${url}/hook/${name}`,
    async script(name, script) {
      await fetch(`${url}/script/${name}`, { method: 'PUT', body: JSON.stringify(script) })
    },
    async calls(name) {
      const answer = await fetch(`${url}/calls/${name}`)
      return (await answer.json()) as Awaited<ReturnType<ReceiverProcess['calls']>>
    },
  }
}
