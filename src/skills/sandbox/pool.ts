/** Threads for the sandbox: started when work waits, ended when idle, replaced when one does not let go of a function. */
import { Worker } from 'node:worker_threads'
import type { Clock } from '../../platform/clock.ts'
import { type SandboxJob, type SandboxOutcome, STOP, type ThreadMessage } from './protocol.ts'

export interface PoolOptions {
  readonly maxWorkers: number
  readonly idleMs: number
  readonly clock: Clock
}

export type PoolJob = Omit<SandboxJob, 'id'>

export interface Pool {
  /** Resolves with the outcome; rejects with the signal's reason, or when the pool stops or a thread dies. */
  run(job: PoolJob, signal?: AbortSignal): Promise<SandboxOutcome>
  /** Threads alive now. */
  size(): number
  stop(): Promise<void>
}

/** What a thread may take beyond the time-out to notice that it is over, before it is ended by force. */
const GRACE_MS = 250

interface Waiting {
  readonly job: PoolJob
  resolve(outcome: SandboxOutcome): void
  reject(reason: unknown): void
}

interface Thread {
  readonly worker: Worker
  readonly stopFlag: Int32Array<SharedArrayBuffer>
  state: 'starting' | 'idle' | 'busy'
  current: Waiting | undefined
  cancelTimer: () => void
}

export const makePool = ({ maxWorkers, idleMs, clock }: PoolOptions): Pool => {
  const threads = new Set<Thread>()
  /** The one used last is used next, so that the others fall idle and end. */
  const idle: Thread[] = []
  const queue: Waiting[] = []
  let lastId = 0
  let stopped = false

  const start = (): void => {
    const stopFlag = new Int32Array(new SharedArrayBuffer(4))
    const worker = new Worker(new URL('./worker.ts', import.meta.url), {
      workerData: { stopFlag },
      env: {},
      name: 'sandbox',
    })
    const thread: Thread = { worker, stopFlag, state: 'starting', current: undefined, cancelTimer: () => {} }
    threads.add(thread)
    worker.on('message', (message: ThreadMessage) => {
      if (message.kind === 'done') finish(thread, message.outcome)
      rest(thread)
    })
    worker.on('error', (error) => drop(thread, error))
    worker.on('exit', () => drop(thread, new Error('a thread of the sandbox ended by itself')))
  }

  /** Gives a thread that has nothing to do the next job, or lets it end after a while. */
  const rest = (thread: Thread): void => {
    const next = queue.shift()
    if (next) {
      begin(thread, next)
      return
    }
    thread.state = 'idle'
    idle.push(thread)
    // An idle thread does not keep the process alive.
    thread.worker.unref()
    thread.cancelTimer = clock.after(idleMs, () => discard(thread))
  }

  const begin = (thread: Thread, waiting: Waiting): void => {
    thread.cancelTimer()
    thread.worker.ref()
    thread.state = 'busy'
    thread.current = waiting
    Atomics.store(thread.stopFlag, 0, 0)
    thread.worker.postMessage({ ...waiting.job, id: ++lastId } satisfies SandboxJob)
    const { timeoutMs } = waiting.job
    thread.cancelTimer = clock.after(timeoutMs + GRACE_MS, () => {
      const message = `the function did not end within ${timeoutMs} ms, nor when told to: its thread was ended`
      finish(thread, { failure: { code: 'function_timeout', message }, console: [] })
      discard(thread)
    })
  }

  const finish = (thread: Thread, outcome: SandboxOutcome): void => {
    thread.cancelTimer()
    thread.current?.resolve(outcome)
    thread.current = undefined
  }

  const forget = (thread: Thread): boolean => {
    thread.cancelTimer()
    const at = idle.indexOf(thread)
    if (at >= 0) idle.splice(at, 1)
    return threads.delete(thread)
  }

  const discard = (thread: Thread): void => {
    if (!forget(thread)) return
    void thread.worker.terminate()
    fill()
  }

  /** A thread that died: its job is told, and so are those that wait if none can start at all. */
  const drop = (thread: Thread, error: unknown): void => {
    if (!forget(thread)) return
    void thread.worker.terminate()
    thread.current?.reject(error)
    if (thread.state === 'starting') for (const waiting of queue.splice(0)) waiting.reject(error)
    fill()
  }

  /** Puts waiting work onto idle threads, and starts as many more as it takes. */
  const fill = (): void => {
    while (queue.length > 0 && idle.length > 0) begin(idle.pop()!, queue.shift()!)
    let starting = 0
    for (const thread of threads) if (thread.state === 'starting') starting++
    while (!stopped && starting < queue.length && threads.size < maxWorkers) {
      start()
      starting++
    }
  }

  const abandon = (waiting: Waiting, reason: unknown): void => {
    waiting.reject(reason)
    const at = queue.indexOf(waiting)
    if (at >= 0) queue.splice(at, 1)
    for (const thread of threads) {
      if (thread.current !== waiting) continue
      Atomics.store(thread.stopFlag, 0, STOP)
      thread.cancelTimer()
      thread.cancelTimer = clock.after(GRACE_MS, () => discard(thread))
    }
  }

  return {
    run(job, signal) {
      if (signal?.aborted) return Promise.reject(signal.reason)
      if (stopped) return Promise.reject(new Error('the sandbox is stopped'))
      const { promise, resolve, reject } = Promise.withResolvers<SandboxOutcome>()
      const waiting: Waiting = { job, resolve, reject }
      const onAbort = (): void => abandon(waiting, signal?.reason)
      signal?.addEventListener('abort', onAbort, { once: true })
      queue.push(waiting)
      fill()
      return promise.finally(() => signal?.removeEventListener('abort', onAbort))
    },
    size: () => threads.size,
    async stop() {
      stopped = true
      const reason = new Error('the sandbox was stopped')
      for (const waiting of queue.splice(0)) waiting.reject(reason)
      const ending = [...threads].map((thread) => {
        forget(thread)
        thread.current?.reject(reason)
        return thread.worker.terminate()
      })
      await Promise.all(ending)
    },
  }
}
