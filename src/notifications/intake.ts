/** From events to deliveries: one for every subscription that an event fits, in the transaction that moves the reader's cursor. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { LRUCache } from 'lru-cache'
import type { Clock } from '../platform/clock.ts'
import type { Database, Handle } from '../platform/db/database.ts'
import { withoutNul } from '../platform/db/text.ts'
import type { Event } from '../platform/events/event.ts'
import type { MakeId } from '../platform/ids.ts'
import type { Log } from '../platform/log.ts'
import { severityOf } from './catalogue.ts'
import { isOwn, OUTBOX_CURSOR, STATUS_AFTER, textOfEnd } from './endings.ts'
import type { Inbox } from './inbox.ts'
import type { Liquids } from './liquid.ts'
import { scopeOf, toMessage } from './message.ts'
import { planFor } from './quiet-hours.ts'
import { makeNotificationRepository } from './repository.ts'
import { makeDeliveryRepository } from './repository-deliveries.ts'
import { makePaceRepository } from './repository-pace.ts'
import type { Route, Routing } from './routing.ts'
import { makeShares, type Shares } from './shares.ts'
import type { Delivery, InboxItem, Message } from './types.ts'

export interface IntakeOptions {
  readonly db: Database
  readonly clock: Clock
  readonly makeId: MakeId
  readonly log: Log
  readonly liquids: Liquids
  readonly inbox: Inbox
  readonly routing: Routing
  /** Milliseconds, on a clock that is never set. */
  readonly elapsed?: () => number
}

/** What the intake of some events left to do. */
export interface Taken {
  /** Some of the events were left for the next time: they fit many subscriptions. */
  readonly isMore: boolean
  /** Deliveries that want a task now. */
  readonly isWorkLeft: boolean
  /** The next time at which one of those that wait is due. */
  readonly nextDueAtMs: number | undefined
}

/** A delivery, with the key that it is told of once by. */
interface Made {
  readonly delivery: Delivery
  /** When its event happened. */
  readonly atMs: number
  readonly route: Route
  readonly key: string | undefined
}

const KEY_CHARACTERS = 500
/** A key that takes too long to make is not tried again for every event. */
const FAILING_MS = 60_000
const AT_WORK_MS = 20
/** Deliveries of one transaction; the last event may go beyond it. */
const MADE_AT_ONCE = 2000
/** What the keys of one tenant may take of one page of events: those of everyday take some microseconds each. */
const KEYS_SHARE_MS = 250

export const makeIntake = (options: IntakeOptions) => {
  const { db, clock, makeId, log, liquids, inbox, routing } = options
  const elapsed = options.elapsed ?? (() => performance.now())
  const failing = new LRUCache<string, true>({ max: 1000, ttl: FAILING_MS })

  const deliveryOf = (event: Event, route: Route, message: string): Delivery => {
    const { subscription, channel, preferences } = route
    const isInbox = channel.kind === 'inbox'
    const isPut = isInbox && channel.settings.templateId === null
    const [id, nowMs] = [makeId(), clock.now()]
    const { memberId } = subscription
    const isPlain = isInbox || preferences === null
    const plan = isPlain ? { dueAtMs: nowMs, isDigest: false } : planFor(preferences, severityOf(event.type), nowMs)
    return {
      id,
      tenantId: event.tenantId,
      projectId: event.projectId,
      channelId: channel.id,
      subscriptionId: subscription.id,
      cause: 'event',
      type: event.type,
      messageId: `msg_${id}`,
      message,
      dedupKey: `${event.id}:${subscription.id}`,
      // What is kept in the same database is delivered with this very transaction. A tenant's template is rendered by a task of the
      // tenant's instead: here all other tenants would wait for it.
      status: isPut ? 'delivered' : 'pending',
      error: null,
      taskId: null,
      memberId,
      dueAtMs: plan.dueAtMs,
      tries: 0,
      round: 0,
      slotAtMs: null,
      digest: plan.isDigest ? `${memberId}:${channel.id}` : null,
      digestId: null,
      createdAtMs: nowMs,
      finishedAtMs: isPut ? nowMs : null,
    }
  }

  /** Undefined when every event is told of. A key that cannot be made, or not in the share of its tenant, hides nothing. */
  const keyOf = ({ subscription }: Route, message: Message, shares: Shares): string | undefined => {
    const { id, tenantId, dedup } = subscription
    if (!dedup || failing.has(id)) return undefined
    try {
      const made = shares.within(tenantId, () => liquids.render(dedup.key, scopeOf(message)))
      return made && withoutNul(made.value.slice(0, KEY_CHARACTERS))
    } catch (error) {
      log.warn({ err: error, subscriptionId: id }, 'the key of an event could not be made')
      failing.set(id, true)
      return undefined
    }
  }

  const makeOf = async (event: Event, routes: readonly Route[], shares: Shares, rest: Rest): Promise<Made[]> => {
    const made: Made[] = []
    const message = toMessage(event)
    const text = JSON.stringify(message)
    for (const route of routes) {
      if (!route.fits(event)) continue
      const key = keyOf(route, message, shares)
      made.push({ delivery: deliveryOf(event, route, text), atMs: event.atMs, route, key })
      await rest()
    }
    return made
  }

  /** Of as many events, from the first one on, as one transaction may tell of. */
  const make = async (events: readonly Event[], rest: Rest): Promise<{ made: Made[]; taken: readonly Event[] }> => {
    const routesOf = await routing.current()
    const shares = makeShares({ elapsed, shareMs: KEYS_SHARE_MS })
    const made: Made[] = []
    for (const [i, event] of events.entries()) {
      const routes = routesOf.get(event.tenantId)
      if (routes === undefined || isOwn(event)) continue
      for (const one of await makeOf(event, routes, shares, rest)) made.push(one)
      if (made.length >= MADE_AT_ONCE) return { made, taken: events.slice(0, i + 1) }
    }
    return { made, taken: events }
  }

  /** Without what is for members who were removed, with their subscriptions, since the routes were read. None is until the transaction ends. */
  const stillWanted = async (tx: Handle, made: readonly Made[]): Promise<readonly Made[]> => {
    const ids = new Set(
      made.filter(({ delivery }) => delivery.memberId !== null).map(({ route }) => route.subscription.id),
    )
    if (ids.size === 0) return made
    const repository = makeNotificationRepository(tx)
    await repository.holdRoutes()
    const left = await repository.subscriptionsLeft([...ids])
    return made.filter(({ delivery, route }) => delivery.memberId === null || left.has(route.subscription.id))
  }

  /** When another process moved the cursor meanwhile, nothing is written. */
  const take = async (events: readonly Event[], from: number): Promise<Taken> => {
    const rest = makeRest(elapsed)
    const { made, taken } = await make(events, rest)
    const isMore = taken.length < events.length
    const items = new Map<string, InboxItem>()
    for (const { delivery } of made) {
      if (delivery.status !== 'delivered') continue
      items.set(delivery.id, inbox.itemOf(delivery))
      await rest()
    }
    const endings = taken.filter((event) => event.type in STATUS_AFTER && isOwn(event) && event.taskId !== null)
    return db.transaction(async (tx) => {
      const moved = await makeNotificationRepository(tx).moveCursor(OUTBOX_CURSOR, from, taken.at(-1)!.id)
      if (!moved) return { isMore, isWorkLeft: false, nextDueAtMs: undefined }
      const pace = makePaceRepository(tx)
      const told: Delivery[] = []
      for (const { delivery, atMs, route, key } of await stillWanted(tx, made)) {
        const { dedup, id } = route.subscription
        const isNew = !dedup || key === undefined || (await pace.takeKey(id, key, atMs, dedup.windowMs))
        if (isNew) told.push(delivery)
      }
      const writes = makeDeliveryRepository(tx)
      await writes.addDeliveries(told)
      const added = told.map(({ id }) => items.get(id)).filter((item) => item !== undefined)
      if (added.length > 0) await inbox.add(tx, added)
      for (const event of endings) {
        const [before, after] = STATUS_AFTER[event.type as keyof typeof STATUS_AFTER]
        const { tenantId, taskId, atMs } = event
        await writes.follow({ tenantId, taskId: taskId as string, error: textOfEnd(event), atMs }, before, after)
      }
      return { isMore, ...whatIsLeft(told) }
    })
  }

  const whatIsLeft = (told: readonly Delivery[]): Omit<Taken, 'isMore'> => {
    const pending = told.filter(({ status }) => status === 'pending')
    const later = pending.filter(({ dueAtMs }) => dueAtMs > clock.now()).map(({ dueAtMs }) => dueAtMs)
    return {
      isWorkLeft: later.length < pending.length,
      nextDueAtMs: later.length === 0 ? undefined : Math.min(...later),
    }
  }

  return { take }
}

/** Templates may take long, and there are many in a row: now and then whatever else the process has to do gets its turn. */
type Rest = () => Promise<void>

const makeRest = (elapsed: () => number): Rest => {
  let sinceMs = elapsed()
  return async () => {
    if (elapsed() - sinceMs < AT_WORK_MS) return
    await nextTurn()
    sinceMs = elapsed()
  }
}

export type Intake = ReturnType<typeof makeIntake>
