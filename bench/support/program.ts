/** A benchmark program in a process of its own, so that no load shares its core with who measures it. */
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Answer, Question } from './serve.ts'

export interface Program {
  readonly pid: number
  ask<T>(name: string, input?: unknown): Promise<T>
  /** Resolves when the process has ended. */
  stop(): Promise<void>
}

export interface ProgramOptions {
  /** A file of `bench/programs/`. */
  readonly name: string
  readonly args?: readonly string[]
  /** Options of Node itself, for example to take a profile. */
  readonly nodeOptions?: readonly string[]
}

/** Resolves when the program answers. */
export const startProgram = async ({ name, args = [], nodeOptions = [] }: ProgramOptions): Promise<Program> => {
  const file = fileURLToPath(new URL(`../programs/${name}.ts`, import.meta.url))
  const child = fork(file, args, { execArgv: [...nodeOptions], stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  const open = new Map<number, { resolve(value: never): void; reject(error: Error): void }>()
  let lastId = 0
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const ready = Promise.withResolvers<void>()
  child.once('exit', (code, signal) => {
    const error = new Error(`the program ${name} ended (code ${code}, signal ${signal})`)
    ready.reject(error)
    for (const question of open.values()) question.reject(error)
  })
  child.once('error', ready.reject)
  child.on('message', (message: Answer | 'ready') => {
    if (message === 'ready') return ready.resolve()
    const question = open.get(message.id)
    open.delete(message.id)
    if ('error' in message) question?.reject(new Error(`${name}: ${message.error}`))
    else question?.resolve(message.value as never)
  })
  await ready.promise
  return {
    pid: child.pid!,
    ask: (command, input) =>
      new Promise((resolve, reject) => {
        const id = ++lastId
        open.set(id, { resolve, reject })
        child.send({ id, name: command, input } satisfies Question)
      }),
    async stop() {
      if (child.connected) child.disconnect()
      await exited
    },
  }
}
