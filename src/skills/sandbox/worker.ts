/** The thread of the sandbox: takes one job at a time from the pool and answers it. */
import { parentPort, workerData } from 'node:worker_threads'
import { evaluate } from './evaluate.ts'
import { makeInstances } from './instance.ts'
import { type SandboxJob, STOP, type ThreadMessage } from './protocol.ts'

if (!parentPort) throw new Error('this file is a thread of the sandbox, not a program')
const port = parentPort
const { stopFlag } = workerData as { stopFlag: Int32Array<SharedArrayBuffer> }
const makeInstance = await makeInstances()

// A new instance for every job is what keeps tenants apart even if QuickJS has a fault. The next one is made while the
// thread has nothing to do, so that a job like the last one does not wait for it.
const makeSpare = (memoryBytes: number) => ({ memoryBytes, instance: makeInstance(memoryBytes) })
let spare: ReturnType<typeof makeSpare> | undefined

const answer = (message: ThreadMessage): void => port.postMessage(message)

port.on('message', async (job: SandboxJob) => {
  const { instance } = spare?.memoryBytes === job.memoryBytes ? spare : makeSpare(job.memoryBytes)
  const outcome = evaluate(await instance, job, () => Atomics.load(stopFlag, 0) === STOP)
  answer({ kind: 'done', id: job.id, outcome })
  spare = makeSpare(job.memoryBytes)
})

answer({ kind: 'ready' })
