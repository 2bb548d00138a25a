/**
 * One dead receiver among many channels, over the real outbox, executor and HTTP, with the receivers in another process. By hand it
 * measures what that does to the others:
 *
 *     node test/notifications/dead-receiver.ts        prints both latencies and their ratio
 */
import { randomUUID } from 'node:crypto'
import type { Cleanup } from '../support/cleanup.ts'
import type { TestDatabase } from '../support/databases.ts'
import { makeTestNotifications, type TestNotifications, type TestOptions, until } from '../support/notifications.ts'
import { type ReceiverProcess, startReceiverProcess } from './receiver.ts'

export interface Fleet extends TestNotifications {
  readonly receiver: ReceiverProcess
  /** Paths of the receivers, the dead one first. */
  readonly names: readonly string[]
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
  for (const [i, name] of names.entries()) {
    const request = { kind: 'webhook', name, url: receiver.urlOf(name) } as const
    const { channel, secret } = await notifications.channels.create(engine.tenantId, null, request)
    const reply = i === 0 && options.isFirstDead ? ('hang' as const) : { status: 200 }
    await receiver.script(name, { secret: secret as string, replies: [reply] })
    const what = { channelId: channel.id, projectId: null, types: ['run.log'], severity: 'debug' } as const
    await notifications.channels.subscribe(engine.tenantId, what)
  }
  await notifications.start()
  return { ...made, receiver, names }
}

/** From the telling of an event to its arrival, at all receivers but the first, in milliseconds. */
const measure = async (fleet: Fleet, events: number, everyMs: number): Promise<number[]> => {
  const toldMs: number[] = []
  for (let i = 0; i < events; i++) {
    toldMs.push(Date.now())
    await fleet.tell('run.log', { data: { message: String(i) } })
    await new Promise((resolve) => setTimeout(resolve, everyMs))
  }
  const waits: number[] = []
  for (const name of fleet.names.slice(1)) {
    const calls = await until(async () => {
      const found = (await fleet.receiver.calls(name)).calls
      return found.length === events ? found : undefined
    }, `all calls of ${name}`)
    // Events of one run.log each reach a channel in any order; sorted, the n-th call is at least as late as the n-th event.
    const atMs = calls.map((call) => call.atMs).sort((a, b) => a - b)
    waits.push(...atMs.map((ms, i) => ms - (toldMs[i] as number)))
  }
  return waits.sort((a, b) => a - b)
}

const quantile = (sorted: readonly number[], part: number): number =>
  sorted[Math.min(Math.floor(sorted.length * part), sorted.length - 1)] as number

const main = async (): Promise<void> => {
  const { DATABASES } = await import('../support/databases.ts')
  const stops: (() => unknown)[] = []
  const cleanup: Cleanup = { after: (stop) => void stops.push(stop as () => unknown) }
  const database = await DATABASES[0]!.open()
  const retry = { attempts: 17, backoff: 'exponential', delay: 5000, maxDelay: 86_400_000, jitter: 0.1 } as const
  const common = { channels: 100, retry, timeoutMs: 15_000, concurrency: 50, places: 50 }
  const results: Record<string, { p50: number; p99: number }> = {}
  for (const [label, isFirstDead] of [
    ['warm-up', false],
    ['all alive', false],
    ['one dead', true],
  ] as const) {
    const fleet = await startFleet(cleanup, database, { ...common, isFirstDead })
    const waits = await measure(fleet, 100, 200)
    results[label] = { p50: quantile(waits, 0.5), p99: quantile(waits, 0.99) }
    await fleet.notifications.stop()
    const { mostOpen } = await fleet.receiver.calls(fleet.names[0] as string)
    console.log(
      `${label}: ${waits.length} calls, p50 ${results[label].p50} ms, p99 ${results[label].p99} ms; first receiver: at most ${mostOpen} calls at a time`,
    )
  }
  const ratio = results['one dead']!.p99 / results['all alive']!.p99
  console.log(`p99 with one dead / p99 with all alive: ${ratio.toFixed(2)}`)
  for (const stop of stops.reverse()) await stop()
}

if (import.meta.main) await main()
