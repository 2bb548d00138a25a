/** The floor of a start: a bare Fastify server over the same tables, from the birth of its process to its first answer. */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { freePort } from '../../test/support/free-port.ts'
import type { Bench } from '../bench.ts'

const FLOOR = fileURLToPath(new URL('../programs/floor.ts', import.meta.url))
const LOOK_EVERY_MS = 2

const isReady = async (url: string): Promise<boolean> => {
  try {
    return (await fetch(`${url}/readyz`)).ok
  } catch {
    return false
  }
}

/** Seconds until it answers. */
export const startBare = async (bench: Bench): Promise<number> => {
  const port = await freePort()
  const folder = await bench.makeFolder('bare')
  const startMs = performance.now()
  const child = spawn(process.execPath, [FLOOR, folder, String(port)], { stdio: 'ignore' })
  const exited = new Promise((resolve) => child.once('exit', resolve))
  while (!(await isReady(`http://127.0.0.1:${port}`)))
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS))
  const seconds = (performance.now() - startMs) / 1000
  child.kill('SIGKILL')
  await exited
  return seconds
}
