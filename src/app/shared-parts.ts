/** What the processes of one house work together through. */
import type { Bus } from '../platform/bus/bus.ts'
import type { DeadLetterQueue } from '../platform/queue/bullmq-dead-letters.ts'
import type { Queue } from '../platform/queue/queue.ts'
import type { Window } from '../platform/queue/window.ts'
import type { RedisConnection } from '../platform/redis/connection.ts'

export interface Shared {
  readonly queue: Queue
  readonly window: Window
  readonly bus: Bus
  /** Undefined for a process that is alone. */
  readonly redis: RedisConnection | undefined
  /** Copies of dead letters for whoever listens to Redis. */
  readonly deadLetterCopies: DeadLetterQueue | undefined
  stop(): Promise<void>
}
