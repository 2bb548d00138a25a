/**
 * One dead receiver among many channels, over the real outbox, executor and HTTP, with the receivers in another process. By hand it
 * measures what that does to the others:
 *
 *     node test/notifications/dead-receiver.ts        prints the latencies with it alive and dead, by turns, and their ratio
 */
import { randomUUID } from 'node:crypto'
import type { Cleanup } from '../support/cleanup.ts'
import type { TestDatabase } from '../support/databases.ts'
import { makeTestNotifications, type TestNotifications, type TestOptions } from '../support/notifications.ts'
import { until } from '../support/until.ts'
import { type ReceiverProcess, startReceiverProcess } from './receiver.ts'

export interface Fleet extends TestNotifications {
  readonly receiver: ReceiverProcess
  /** Paths of the receivers, the dead one first. */
  readonly names: readonly string[]
  readonly secrets: readonly string[]
}

export interface FleetOptions extends TestOptions {
  readonly channels: number
  readonly isFirstDead: boolean
}

/** Each channel is subscribed to `run.log`. */
export const startFleet = async (t: Cleanup, database: TestDatabase, options: FleetOptions): Promise<Fleet> => {
  const receiver = await startReceiverProcess(t)
  const made = await makeTestNotifications(t, database, options)
  const { notifications, engine } = made
  const names = Array.from({ length: options.channels }, (_, i) => `${i}-${randomUUID()}`)
  const secrets: string[] = []
  for (const [i, name] of names.entries()) {
    const request = { kind: 'webhook', name, url: receiver.urlOf(name) } as const
    const { channel, secret } = await notifications.channels.create(engine.tenantId, null, request)
    const reply = i === 0 && options.isFirstDead ? ('hang' as const) : { status: 200 }
    secrets.push(secret as string)
    await receiver.script(name, { secret: secret as string, replies: [reply] })
    const what = { channelId: channel.id, projectId: null, types: ['run.log'], severity: 'debug' } as const
    await notifications.channels.subscribe(engine.tenantId, what)
  }
  await notifications.start()
  return { ...made, receiver, names, secrets }
}

const EVENTS_OF_PHASE = 10
const EVERY_MS = 2000
const PHASES = 6

const quantile = (values: readonly number[], part: number): number => {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(Math.floor(sorted.length * part), sorted.length - 1)] as number
}

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** Tells events while the first receiver is by turns alive and dead; when each was told. */
const tellByTurns = async (fleet: Fleet): Promise<{ readonly atMs: number; readonly isDead: boolean }[]> => {
  const told: { atMs: number; isDead: boolean }[] = []
  const [first] = fleet.names as [string]
  for (let phase = 0; phase < PHASES; phase++) {
    const isDead = phase % 2 === 1
    await fleet.receiver.script(first, {
      secret: fleet.secrets[0] as string,
      replies: [isDead ? 'hang' : { status: 200 }],
    })
    for (let i = 0; i < EVENTS_OF_PHASE; i++) {
      told.push({ atMs: Date.now(), isDead })
      await fleet.tell('run.log', { data: { message: String(told.length - 1) } })
      await wait(EVERY_MS)
    }
  }
  return told
}

const main = async (): Promise<void> => {
  const { DATABASES } = await import('../support/databases.ts')
  const stops: (() => unknown)[] = []
  const cleanup: Cleanup = { after: (stop) => void stops.push(stop as () => unknown) }
  const retry = { attempts: 17, backoff: 'exponential', delay: 5000, maxDelay: 86_400_000, jitter: 0.1 } as const
  const common = { channels: 100, isFirstDead: false, retry, timeoutMs: 15_000, concurrency: 50, places: 50 }
  const fleet = await startFleet(cleanup, await DATABASES[0]!.open(), common)
  const told = await tellByTurns(fleet)
  const waits = { alive: [] as number[], dead: [] as number[] }
  for (const name of fleet.names.slice(1)) {
    const calls = await until(`all calls of ${name}`, async () => {
      const found = (await fleet.receiver.calls(name)).calls
      return found.length === told.length ? found : undefined
    })
    for (const { message, atMs } of calls) {
      const event = told[Number(message)] as (typeof told)[0]
      waits[event.isDead ? 'dead' : 'alive'].push(atMs - event.atMs)
    }
  }
  for (const [what, values] of Object.entries(waits))
    console.log(
      `first receiver ${what}: ${values.length} calls of the others, p50 ${quantile(values, 0.5)} ms, p99 ${quantile(values, 0.99)} ms`,
    )
  const { calls, mostOpen } = await fleet.receiver.calls(fleet.names[0] as string)
  console.log(`the first receiver had ${calls.length} calls, at most ${mostOpen} at a time`)
  console.log(`p99 dead / p99 alive: ${(quantile(waits.dead, 0.99) / quantile(waits.alive, 0.99)).toFixed(2)}`)
  for (const stop of stops.reverse()) await stop()
}

if (import.meta.main) await main()
