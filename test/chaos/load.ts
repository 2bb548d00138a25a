/** A mixed load through the gateway, and the list of what the API promised: each entry was answered with a 2xx. */
import { setTimeout as pause } from 'node:timers/promises'
import { ApiError, type Client, makeClient } from '../../src/sdk/index.ts'
import type { Random } from '../kill/random.ts'
import { chaosAgent, chaosRun, doomedTask, effectTask, flakyTask, hopelessTask } from './code/work.ts'

export interface Promised {
  readonly what: 'run' | 'task'
  readonly kind: string
  readonly id: string
  /** How it must end. */
  readonly end: 'completed' | 'dead'
  /** Not before; for tasks with a delay. */
  readonly notBeforeMs?: number
}

export interface Load {
  readonly promised: readonly Promised[]
  /** Answers other than success, and how often: `503`, `no answer`. */
  readonly troubles: ReadonlyMap<string, number>
  /** What was refused though nothing was wrong with it, and what was never answered. */
  readonly refusals: readonly string[]
  /** Ends the load, and waits for the answers of what is under way. */
  stop(): Promise<void>
}

export interface LoadOptions {
  readonly url: string
  readonly key: string
  readonly file: string
  readonly random: Random
  /** Requests a second, about. */
  readonly rate: number
}

const ANSWER_MS = 10_000
const TRY_FOR_MS = 120_000
const RETRY_MS = 500
const PRIORITIES = ['critical', 'high', 'normal', 'low'] as const

export const startLoad = ({ url, key, file, random, rate }: LoadOptions): Load => {
  // A gateway may be frozen with the request in its hands.
  const patient: typeof fetch = (input, init) => fetch(input, { ...init, signal: AbortSignal.timeout(ANSWER_MS) })
  const client: Client = makeClient({ url, key, fetch: patient })
  const promised: Promised[] = []
  const troubles = new Map<string, number>()
  const refusals: string[] = []
  const asking = new Set<Promise<void>>()
  const stopping = new AbortController()

  const isTrouble = (error: unknown): boolean =>
    !(error instanceof ApiError) || error.status >= 500 || error.status === 429

  /** Asks again with the same key until it is answered, as a careful caller does. */
  const insist = async <T>(what: string, ask: () => Promise<T>): Promise<T | undefined> => {
    for (const untilMs = Date.now() + TRY_FOR_MS; ; await pause(RETRY_MS)) {
      try {
        return await ask()
      } catch (error) {
        const name = error instanceof ApiError ? `${error.status} ${error.code}` : 'no answer'
        troubles.set(name, (troubles.get(name) ?? 0) + 1)
        if (isTrouble(error) && Date.now() < untilMs) continue
        refusals.push(`${what}: ${error instanceof Error ? error.message : String(error)}`)
        return undefined
      }
    }
  }

  const startRun = async (name: string, part: number): Promise<void> => {
    const signal = part < 0.3
    const input = { file, name, steps: 2 + Math.floor(part * 5), signal }
    const priority = PRIORITIES[Math.floor(part * 4)]
    const run = await insist(name, () =>
      client.runs.start({ workflow: chaosRun.name, input, priority, idempotencyKey: name }),
    )
    if (!run) return
    promised.push({ what: 'run', kind: chaosRun.name, id: run.id, end: 'completed' })
    if (!signal) return
    await pause(part * 4000)
    await insist(`signal of ${name}`, () => client.runs.signal(run.id, 'go', { from: 'chaos' }))
  }

  const startOther = async (name: string, target: { workflow: string } | { agent: string }): Promise<void> => {
    const input = 'workflow' in target ? { file, name } : 'Call echo.'
    const run = await insist(name, () => client.runs.start({ ...target, input, idempotencyKey: name }))
    const kind = 'workflow' in target ? target.workflow : target.agent
    if (run) promised.push({ what: 'run', kind, id: run.id, end: 'completed' })
  }

  const createTask = async (name: string, kind: string, part: number): Promise<void> => {
    const delay = part > 0.7 ? Math.round(part * 6000) : 0
    const priority = PRIORITIES[Math.floor(part * 4)]
    const askedMs = Date.now()
    const created = await insist(name, () =>
      client.tasks.create({
        kind,
        input: { file, step: name },
        priority,
        idempotencyKey: name,
        ...(delay > 0 ? { delay } : {}),
      }),
    )
    const end = kind === doomedTask.name || kind === hopelessTask.name ? 'dead' : 'completed'
    if (created)
      promised.push({ what: 'task', kind, id: created.id, end, ...(delay > 0 ? { notBeforeMs: askedMs + delay } : {}) })
  }

  const ask = (name: string, dice: number, part: number): Promise<void> => {
    if (dice < 0.25) return startRun(name, part)
    if (dice < 0.4) return startOther(name, { workflow: 'chaos-machine' })
    if (dice < 0.5) return startOther(name, { agent: chaosAgent.name })
    if (dice < 0.55) return createTask(name, doomedTask.name, part)
    if (dice < 0.58) return createTask(name, hopelessTask.name, part)
    if (dice < 0.68) return createTask(name, flakyTask.name, part)
    return createTask(name, effectTask.name, part)
  }

  const loop = async (): Promise<void> => {
    for (let number = 1; !stopping.signal.aborted; number++) {
      const [dice, part, gap] = [random(), random(), random()]
      const one: Promise<void> = ask(`w${number}`, dice, part)
        .catch((error: unknown) => void refusals.push(`w${number}: ${String(error)}`))
        .finally(() => asking.delete(one))
      asking.add(one)
      await pause((2 * gap * 1000) / rate, undefined, { signal: stopping.signal }).catch(() => {})
    }
  }
  const looping = loop()

  return {
    promised,
    troubles,
    refusals,
    async stop() {
      stopping.abort()
      await looping
      while (asking.size > 0) await Promise.all(asking)
    },
  }
}
