/** The queue in memory, for one process. Safe because the database is the truth: at start the backlog is read back from it. */
import type { Clock } from '../clock.ts'
import { makeFairList } from './fair-list.ts'
import { AGED_MAX, type ConsumeOptions, type Consumer, type Job, type Partition, type Queue } from './queue.ts'

export interface LocalQueueOptions {
  readonly clock: Clock
  /** Told when a handler rejects. */
  readonly onError: (error: unknown, job: Job) => void
}

interface LocalConsumer {
  readonly options: ConsumeOptions
  active: number
  paused: boolean
  idle: (() => void)[]
}

/** Of so many places there is one more, for tenants of whom nothing is being done: a flood of others does not make them wait. */
const PLACES_PER_SPARE = 10

const makePartition = ({ clock, onError }: LocalQueueOptions) => {
  const waiting = makeFairList()
  const delayed = new Map<string, () => void>()
  const active = new Set<string>()
  /** How many jobs of each tenant are being handled. */
  const busy = new Map<string, number>()
  const consumers: LocalConsumer[] = []

  const leave = (consumer: LocalConsumer): void => {
    consumer.active--
    if (consumer.active === 0) for (const done of consumer.idle.splice(0)) done()
    pump()
  }

  const run = async (consumer: LocalConsumer, job: Job): Promise<void> => {
    consumer.active++
    if (consumer.active >= consumer.options.concurrency) consumer.options.onFull?.()
    active.add(job.id)
    busy.set(job.tenantId, (busy.get(job.tenantId) ?? 0) + 1)
    try {
      await consumer.options.handle(job)
    } catch (error) {
      onError(error, job)
    } finally {
      active.delete(job.id)
      const others = (busy.get(job.tenantId) ?? 1) - 1
      if (others > 0) busy.set(job.tenantId, others)
      else busy.delete(job.tenantId)
      leave(consumer)
    }
  }

  const sparesOf = (consumer: LocalConsumer): number => Math.floor(consumer.options.concurrency / PLACES_PER_SPARE)
  const free = (withSpares: boolean): LocalConsumer | undefined =>
    consumers.find((one) => !one.paused && one.active < one.options.concurrency + (withSpares ? sparesOf(one) : 0))

  const pump = (): void => {
    while (waiting.size > 0) {
      const consumer = free(false)
      const spare = consumer ?? free(true)
      const job = consumer ? waiting.shift() : spare && waiting.shiftOf((tenantId) => !busy.has(tenantId))
      if (!spare || !job) return
      void run(spare, job)
    }
  }

  const push = (job: Job): void => {
    waiting.push(job, clock.now())
    pump()
  }

  const add = (job: Job): void => {
    if (waiting.has(job.id) || delayed.has(job.id) || active.has(job.id)) return
    if (!job.delayMs || job.delayMs <= 0) {
      push(job)
      return
    }
    const cancel = clock.after(job.delayMs, () => {
      delayed.delete(job.id)
      push(job)
    })
    delayed.set(job.id, cancel)
  }

  const consume = (options: ConsumeOptions): Consumer => {
    const consumer: LocalConsumer = { options, active: 0, paused: false, idle: [] }
    consumers.push(consumer)
    pump()
    return {
      isReady: () => !consumer.paused,
      reserve() {
        if (consumer.paused || waiting.size > 0 || consumer.active >= options.concurrency) return undefined
        consumer.active++
        let given = false
        return () => {
          if (given) return
          given = true
          leave(consumer)
        }
      },
      pause: () => {
        consumer.paused = true
      },
      resume: () => {
        consumer.paused = false
        pump()
      },
      stop: async () => {
        consumer.paused = true
        if (consumer.active > 0) await new Promise<void>((resolve) => consumer.idle.push(resolve))
        const index = consumers.indexOf(consumer)
        if (index >= 0) consumers.splice(index, 1)
      },
    }
  }

  const remove = (id: string): boolean => {
    const cancel = delayed.get(id)
    cancel?.()
    return delayed.delete(id) || waiting.delete(id)
  }

  return {
    add,
    consume,
    release(ids: readonly string[]) {
      for (const id of ids) active.delete(id)
    },
    remove,
    age: (olderThanMs: number) => waiting.moveToFront(clock.now() - olderThanMs, AGED_MAX),
    counts: () => ({ waiting: waiting.size, delayed: delayed.size, active: active.size }),
    stop: async () => {
      for (const cancel of delayed.values()) cancel()
      delayed.clear()
      for (const consumer of consumers) consumer.paused = true
    },
  }
}

export const makeLocalQueue = (options: LocalQueueOptions): Queue => {
  const partitions = new Map<Partition, ReturnType<typeof makePartition>>()
  const of = (name: Partition) => {
    const partition = partitions.get(name) ?? makePartition(options)
    partitions.set(name, partition)
    return partition
  }
  return {
    async add(jobs) {
      for (const job of jobs) of(job.partition).add(job)
    },
    remove: async (partition, id) => of(partition).remove(id),
    release: async (partition, ids) => of(partition).release(ids),
    consume: (consumeOptions) => of(consumeOptions.partition).consume(consumeOptions),
    counts: async (partition) => of(partition).counts(),
    age: async (partition, olderThanMs) => of(partition).age(olderThanMs),
    async stop() {
      await Promise.all([...partitions.values()].map((partition) => partition.stop()))
    },
  }
}
