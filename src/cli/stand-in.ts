/** The model stand-in as a process beside this one: for trying agents out where no model is at hand. It is no model, and says so. */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { cliErrors } from './errors.ts'

export interface StandInProcess {
  /** The base URL that a model client takes. */
  readonly url: string
  stop(): Promise<void>
}

const PROGRAM = fileURLToPath(new URL('../agents/stand-in/main.ts', import.meta.url))
/** It ends with its parent, however that ends: its standard input closes then. Unreferenced, or one that failed would not end. */
const ENDS_WITH_PARENT = 'data:text/javascript,process.stdin.resume().once("close",()=>process.exit(0)).unref()'
const START_MS = 15_000

/** Rejects when it does not start, with what it said. Without a script it answers anything. */
export const startStandIn = async (script?: string): Promise<StandInProcess> => {
  const args = ['--import', ENDS_WITH_PARENT, PROGRAM, ...(script === undefined ? [] : ['--script', script])]
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'pipe'] })
  const exited = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const stop = async (): Promise<void> => {
    child.kill()
    child.stdin.end()
    await exited
  }
  let said = ''
  const url = await new Promise<string>((resolve, reject) => {
    const refuse = (why: string): void => reject(cliErrors.stand_in_failed(`the model stand-in did not start: ${why}`))
    const fail = (): void => refuse(said.trim())
    const timer = setTimeout(() => refuse(`no word of it after ${START_MS / 1000} s. ${said.trim()}`), START_MS)
    const hear = (chunk: Buffer): void => {
      said += chunk.toString()
      const found = /listens at (\S+)/.exec(said)?.[1]
      if (found) resolve(found)
    }
    child.stdout.on('data', hear)
    child.stderr.on('data', hear)
    child.once('error', fail)
    child.once('close', fail)
    Promise.resolve(exited).finally(() => clearTimeout(timer))
    child.stdout.once('data', () => clearTimeout(timer))
  }).catch(async (error: unknown) => {
    await stop()
    throw error
  })
  return { url, stop }
}

/** The settings of a server whose default model is the stand-in. It stands on loopback, where outbound calls need leave to go. */
export const standInSettings = ({ url }: StandInProcess, allow: string | undefined): Record<string, string> => ({
  MODEL_BASE_URL: url,
  MODEL_NAME: 'stand-in',
  OUTBOUND_ALLOW: [allow, new URL(url).host].filter(Boolean).join(','),
})
