/** From deliveries to tasks: each that is due gets one; those of a digest are told together by a delivery of their own. */
import type { Clock } from '../platform/clock.ts'
import type { Database } from '../platform/db/database.ts'
import type { MakeId } from '../platform/ids.ts'
import type { Json } from '../platform/json.ts'
import type { Log } from '../platform/log.ts'
import type { NewTask, Task } from '../tasks/index.ts'
import { DELIVER_KIND } from './endings.ts'
import { DIGEST_TYPE, toDigestItem } from './message.ts'
import { makeNotificationRepository } from './repository.ts'
import { makeDeliveryRepository } from './repository-deliveries.ts'
import { type DigestGroup, makePaceRepository } from './repository-pace.ts'
import type { Delivery, Message } from './types.ts'

export type CreateTask = (request: NewTask) => Promise<{ readonly task: Pick<Task, 'id' | 'status'> }>

/** How a delivery is tried again; waits in milliseconds. */
export interface DeliveryRetry {
  readonly attempts: number
  readonly backoff: 'constant' | 'exponential'
  readonly delay: number
  readonly maxDelay: number
  readonly jitter: number
}

export interface DispatchOptions {
  readonly db: Database
  readonly clock: Clock
  readonly makeId: MakeId
  readonly log: Log
  readonly createTask: CreateTask
  readonly retry: DeliveryRetry
  readonly taskTimeoutMs: number
}

const PAGE = 500
const MOST_IN_DIGEST = 100
const DIGESTS_AT_ONCE = 100
/** What is found so long after the time that the rate of its channel gave it has missed that: else all that waited would be sent at once. */
const SLOT_MISSED_MS = 60_000

/** The policy of a task that goes on where another one, with some tries behind it, left off. */
export const retryAfter = (retry: DeliveryRetry, tries: number): DeliveryRetry => {
  const growth = retry.backoff === 'constant' ? 1 : 2 ** Math.min(tries, 40)
  const delay = Math.min(retry.delay * growth, retry.maxDelay)
  return { ...retry, attempts: Math.max(retry.attempts - tries, 1), delay }
}

export const makeDispatch = (options: DispatchOptions) => {
  const { db, clock, makeId, log, createTask } = options
  const deliveries = makeDeliveryRepository(db.primary)
  const pace = makePaceRepository(db.primary)

  /** What fails is made up for by the next look. */
  const one = async (delivery: Delivery): Promise<void> => {
    const { id, tenantId, projectId, round, tries } = delivery
    try {
      const { task } = await createTask({
        tenantId,
        projectId,
        kind: DELIVER_KIND,
        input: { deliveryId: id, round },
        priority: 3,
        retry: retryAfter(options.retry, tries),
        timeoutMs: options.taskTimeoutMs,
        // The task of a round is made once, however often this is tried.
        idempotencyKey: `notification:${id}:${round}`,
      })
      await db.transaction(async (tx) => {
        const writes = makeDeliveryRepository(tx)
        await writes.setTask(delivery, task.id)
        // One that was made before whoever made it died: the log may have told of its end when nobody knew whose it was.
        if (task.status !== 'dead' && task.status !== 'cancelled') return
        const error = task.status === 'cancelled' ? 'cancelled' : 'its task is dead'
        await writes.follow({ tenantId, taskId: task.id, error, atMs: clock.now() }, 'pending', 'failed')
      })
    } catch (error) {
      log.error({ err: error, deliveryId: id }, 'a delivery got no task; trying again at the next sweep')
    }
  }

  const digestOf = (held: readonly Delivery[]): Delivery => {
    const first = held[0] as Delivery
    const [id, nowMs] = [makeId(), clock.now()]
    const messages = held.map(({ message }) => JSON.parse(message) as Message)
    const projects = new Set(held.map(({ projectId }) => projectId))
    const message: Message = {
      type: DIGEST_TYPE,
      timestamp: new Date(nowMs).toISOString(),
      eventId: null,
      projectId: projects.size === 1 ? first.projectId : null,
      runId: null,
      taskId: null,
      data: { count: held.length, items: messages.map(toDigestItem) as unknown as Json },
    }
    return {
      ...first,
      ...{ id, message: JSON.stringify(message), messageId: `msg_${id}`, type: DIGEST_TYPE, cause: 'digest' },
      ...{ projectId: message.projectId, subscriptionId: null, dedupKey: `digest:${first.id}`, digest: null },
      ...{ dueAtMs: nowMs, createdAtMs: nowMs },
    }
  }

  /** Undefined when there is nothing left of the group, or another process is at it. */
  const tellTogether = async (group: DigestGroup): Promise<Delivery | undefined> => {
    const nowMs = clock.now()
    const ids = (await pace.dueOf(group, nowMs, MOST_IN_DIGEST)).map(({ id }) => id)
    if (ids.length === 0) return undefined
    const held = await Promise.all(ids.map((id) => deliveries.delivery(group.tenantId, id)))
    const digest = digestOf(held.filter((delivery) => delivery !== undefined))
    try {
      return await db.transaction(async (tx) => {
        // Its member is not removed meanwhile.
        await makeNotificationRepository(tx).holdRoutes()
        const marked = await makePaceRepository(tx).markDigested(ids, digest, nowMs)
        if (marked < ids.length) throw new OthersAreAtIt()
        await makeDeliveryRepository(tx).addDeliveries([digest])
        return digest
      })
    } catch (error) {
      if (error instanceof OthersAreAtIt) return undefined
      throw error
    }
  }

  return {
    one,
    /** All that are due, until `isStopped`. Gives the time at which the next one is. */
    async due(isStopped: () => boolean): Promise<number | undefined> {
      for (const group of await pace.dueDigests(clock.now(), DIGESTS_AT_ONCE))
        while (!isStopped() && (await tellTogether(group)));
      let after: Delivery | undefined
      while (!isStopped()) {
        const waiting = await deliveries.undispatched(clock.now(), after, PAGE)
        const missed = waiting.filter(({ slotAtMs }) => slotAtMs !== null && slotAtMs < clock.now() - SLOT_MISSED_MS)
        if (missed.length > 0) await db.transaction((tx) => makePaceRepository(tx).dropSlots(missed))
        await Promise.all(waiting.map(one))
        if (waiting.length < PAGE) return deliveries.nextDue(clock.now())
        after = waiting.at(-1)
      }
      return undefined
    },
    forgetKeys: () => db.transaction((tx) => makePaceRepository(tx).forgetKeys(clock.now())),
  }
}

export type Dispatch = ReturnType<typeof makeDispatch>

/** Another process told of some of them meanwhile: nothing is written. */
class OthersAreAtIt extends Error {}
