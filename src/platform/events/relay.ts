/**
 * Brings events of other processes to the listeners of this one. A process tells the others what is asked for there; only that is
 * sent, and only to it, so that what nobody listens to costs nothing.
 */
import type { Bus } from '../bus/bus.ts'
import type { Json } from '../json.ts'
import type { Event } from './event.ts'
import { keysOfEvent, type RelayedHub } from './hub.ts'

const EVENTS = 'events'
const INTERESTS = 'interests'
const ASK_INTERESTS = 'ask-interests'

/** What a process asks for: all of it, or what came and went since it last said so. */
interface Interests {
  readonly all?: string[]
  readonly more?: string[]
  readonly less?: string[]
}

export const relayEvents = (hub: RelayedHub, bus: Bus): void => {
  /** Who asks for what. */
  const wanted = new Map<string, Set<string>>()
  /** What the others do not know of yet. */
  const changes = new Map<string, boolean>()
  let telling: Promise<void> | undefined

  const tell = async (): Promise<void> => {
    await new Promise<void>((resolve) => setImmediate(resolve))
    telling = undefined
    const keysThat = (isWanted: boolean): string[] =>
      [...changes].filter(([, is]) => is === isWanted).map(([key]) => key)
    const message = { more: keysThat(true), less: keysThat(false) }
    changes.clear()
    if (message.more.length > 0) await bus.ask(INTERESTS, message)
    else bus.broadcast(INTERESTS, message)
  }

  const heard = ({ all, more = [], less = [] }: Interests, from: string): void => {
    const keys = all ? new Set(all) : (wanted.get(from) ?? new Set())
    for (const key of more) keys.add(key)
    for (const key of less) keys.delete(key)
    if (keys.size > 0) wanted.set(from, keys)
    else wanted.delete(from)
  }

  let settled: Promise<void> = Promise.resolve()

  bus.on(INTERESTS, (message, from) => heard(message as Interests, from))
  bus.on(ASK_INTERESTS, (_, from) => bus.send(from, INTERESTS, { all: hub.interests() }))
  bus.on(EVENTS, (events) => hub.deliver(events as unknown as Event[]))
  bus.onGap(() => {
    bus.broadcast(INTERESTS, { all: hub.interests() })
    bus.broadcast(ASK_INTERESTS, null)
  })

  bus.onLeft((id) => void wanted.delete(id))

  hub.connect({
    changed(key, isWanted) {
      changes.set(key, isWanted)
      telling ??= tell()
      const told = telling
      settled = settled.then(() => told)
    },
    settled: () => settled,
    publish(events) {
      if (wanted.size === 0) return
      for (const [id, keys] of wanted) {
        const theirs = events.filter((event) => keysOfEvent(event).some((key) => keys.has(key)))
        if (theirs.length > 0) bus.send(id, EVENTS, theirs as unknown as Json)
      }
    },
  })
}
