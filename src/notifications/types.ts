/** The words of notifications. */
import type { Json } from '../platform/json.ts'
import type { Severity } from './catalogue.ts'

export type ChannelStatus = 'active' | 'disabled'

/** A signing secret as it lies in the database. */
export interface SealedSecret {
  readonly sealed: string
  /** Signs no more after this; null for the current one. */
  readonly untilMs: number | null
}

/**
 * `webhook`: signed after Standard Webhooks. `slack`: an incoming webhook that takes `{ text }`. `inbox`: kept in the database, to be
 * read over the API.
 */
export type ChannelConfig =
  | { readonly kind: 'webhook'; readonly url: string; readonly secrets: readonly SealedSecret[] }
  /** The address is the secret. */
  | { readonly kind: 'slack'; readonly host: string; readonly sealedUrl: string }
  | { readonly kind: 'inbox' }

export interface Channel {
  readonly id: string
  readonly tenantId: string
  readonly projectId: string | null
  readonly name: string
  readonly status: ChannelStatus
  /** Why it is disabled. */
  readonly reason: string | null
  readonly config: ChannelConfig
  readonly createdAtMs: number
  readonly updatedAtMs: number
}

/** What a caller says of a new channel. */
export type NewChannel =
  | { readonly kind: 'webhook'; readonly name: string; readonly url: string }
  | { readonly kind: 'slack'; readonly name: string; readonly url: string }
  | { readonly kind: 'inbox'; readonly name: string }

export interface Subscription {
  readonly id: string
  readonly tenantId: string
  /** Only events of this project; null: of all, and those of none. */
  readonly projectId: string | null
  readonly channelId: string
  /** Event types, `*` standing for any letters. */
  readonly types: readonly string[]
  /** The least severity. */
  readonly severity: Severity
  readonly createdAtMs: number
}

export interface NewSubscription {
  readonly channelId: string
  readonly projectId: string | null
  readonly types: readonly string[]
  readonly severity: Severity
}

/** What a receiver is told: an event as it was when it happened. */
export interface Message {
  readonly type: string
  /** ISO 8601. */
  readonly timestamp: string
  readonly eventId: number | null
  readonly projectId: string | null
  readonly runId: string | null
  readonly taskId: string | null
  readonly data: { readonly [key: string]: Json | undefined }
}

export const DELIVERY_STATUSES = ['pending', 'delivered', 'failed', 'skipped'] as const
/** `pending`: under way, tries to come included. `failed`: no further try. `skipped`: its channel was disabled or gone. */
export type DeliveryStatus = (typeof DELIVERY_STATUSES)[number]

export const DELIVERY_CAUSES = ['event', 'test', 'replay'] as const
export type DeliveryCause = (typeof DELIVERY_CAUSES)[number]

export interface Delivery {
  readonly id: string
  readonly tenantId: string
  readonly projectId: string | null
  readonly channelId: string
  readonly subscriptionId: string | null
  readonly cause: DeliveryCause
  readonly type: string
  /** The same on every try and on a replay, so that the receiver can tell what it has had. */
  readonly messageId: string
  /** JSON of a `Message`, as it is sent. */
  readonly message: string
  readonly dedupKey: string | null
  readonly status: DeliveryStatus
  /** Of the last try. */
  readonly error: string | null
  /** The task that does it; null until there is one. */
  readonly taskId: string | null
  readonly createdAtMs: number
  readonly finishedAtMs: number | null
}

export interface DeliveryAttempt {
  readonly id: string
  readonly tenantId: string
  readonly deliveryId: string
  /** Of its task: begins again when the task is redriven. */
  readonly attempt: number
  readonly atMs: number
  readonly durationMs: number
  /** Null when there was no answer. */
  readonly statusCode: number | null
  /** The beginning of the answer's body. */
  readonly response: string | null
  readonly error: string | null
}

export interface InboxItem {
  /** That of its delivery. */
  readonly id: string
  readonly tenantId: string
  readonly projectId: string | null
  readonly channelId: string
  readonly type: string
  readonly severity: Severity
  readonly title: string
  readonly message: string
  readonly readAtMs: number | null
  readonly createdAtMs: number
}
