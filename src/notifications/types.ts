/** The words of notifications. */
import type { Json } from '../platform/json.ts'
import type { SecretReference } from '../secrets/index.ts'
import type { Severity } from './catalogue.ts'

export type ChannelStatus = 'active' | 'disabled'

/** A signing secret as it lies in the database. */
export interface SealedSecret {
  readonly sealed: string
  /** Signs no more after this; null for the current one. */
  readonly untilMs: number | null
}

export const MAIL_SECURITY = ['tls', 'starttls', 'none'] as const
/** `tls`: from the first byte. `starttls`: nothing is sent before the line is encrypted. `none`: in the clear, and without a password. */
export type MailSecurity = (typeof MAIL_SECURITY)[number]

/** A mail server as it lies in the database. */
export interface SealedMailServer {
  readonly host: string
  readonly port: number
  readonly security: MailSecurity
  readonly user: string | null
  /** Or the name of a secret of the tenant's. */
  readonly sealedPassword: string | SecretReference | null
  readonly from: string
}

/**
 * `webhook`: signed after Standard Webhooks. `slack`: an incoming webhook that takes `{ text }`. `email`: by SMTP, over the channel's own
 * server or, where that is null, the operator's. `inbox`: kept in the database, to be read over the API.
 */
export type ChannelConfig =
  | { readonly kind: 'webhook'; readonly url: string; readonly secrets: readonly SealedSecret[] }
  /** The address is the secret, or a secret of the tenant's is the address: its host is not known here then. */
  | { readonly kind: 'slack'; readonly host: string | null; readonly sealedUrl: string | SecretReference }
  | { readonly kind: 'email'; readonly to: readonly string[]; readonly server: SealedMailServer | null }
  | { readonly kind: 'inbox' }

export const ENVELOPES = ['standard', 'cloudevents'] as const
export type Envelope = (typeof ENVELOPES)[number]

/** What a channel has besides its address. */
export interface ChannelSettings {
  /** The form of a webhook's body: that of Standard Webhooks, or CloudEvents 1.0 in structured mode. */
  readonly envelope: Envelope
  /** Gives the text of Slack, email and inbox messages; null: a plain one. */
  readonly templateId: string | null
  /** Calls in a minute, evenly spaced; null: no limit. */
  readonly ratePerMinute: number | null
}

export const PLAIN_SETTINGS: ChannelSettings = { envelope: 'standard', templateId: null, ratePerMinute: null }

export interface Channel {
  readonly id: string
  readonly tenantId: string
  readonly projectId: string | null
  readonly name: string
  readonly status: ChannelStatus
  /** Why it is disabled. */
  readonly reason: string | null
  readonly config: ChannelConfig
  readonly settings: ChannelSettings
  readonly createdAtMs: number
  readonly updatedAtMs: number
}

/** A mail server as a caller names it. */
export interface NewMailServer {
  readonly host: string
  readonly port: number
  readonly security: MailSecurity
  readonly user?: string | undefined
  readonly password?: string | SecretReference | undefined
  readonly from: string
}

/** What a caller says of a new channel. */
export type NewChannel = { readonly name: string; readonly settings?: Partial<ChannelSettings> | undefined } & (
  | { readonly kind: 'webhook'; readonly url: string }
  | { readonly kind: 'slack'; readonly url: string | SecretReference }
  | { readonly kind: 'email'; readonly to: readonly string[]; readonly server?: NewMailServer | undefined }
  | { readonly kind: 'inbox' }
)

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
  /** For whom: that member's preferences decide about channel, quiet hours and digest. */
  readonly memberId: string | null
  /** Events with the same key within the window are told of once. */
  readonly dedup: Dedup | null
  readonly createdAtMs: number
}

export interface Dedup {
  /** A template; what it gives for an event is the key. */
  readonly key: string
  readonly windowMs: number
}

export interface NewSubscription {
  readonly channelId: string
  readonly projectId: string | null
  readonly types: readonly string[]
  readonly severity: Severity
  readonly memberId?: string | null | undefined
  readonly dedup?: Dedup | null | undefined
}

export interface Template {
  readonly id: string
  readonly tenantId: string
  readonly projectId: string | null
  readonly name: string
  /** Of an email; the title of an inbox item. */
  readonly subject: string
  readonly body: string
  readonly createdAtMs: number
  readonly updatedAtMs: number
}

export interface TemplateText {
  readonly subject: string
  readonly body: string
}

/** Local times, as `HH:MM`; from evening to morning where `to` is the earlier one. */
export interface QuietHours {
  readonly from: string
  readonly to: string
}

export type DigestRhythm = { readonly every: 'hour' } | { readonly every: 'day'; readonly at: string }

/** How a member wants to be told. Nothing of it holds for an inbox, which disturbs nobody. */
export interface Preferences {
  /** Instead of the channel of the subscription; null: that one. */
  readonly channelId: string | null
  /** IANA, such as `Europe/Berlin`. */
  readonly timeZone: string
  readonly quietHours: QuietHours | null
  readonly digest: DigestRhythm | null
  /** What is of severity `error` comes at once, whatever the hour. */
  readonly errorsAtOnce: boolean
}

export interface MemberPreferences extends Preferences {
  readonly tenantId: string
  readonly memberId: string
  readonly updatedAtMs: number
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

export const DELIVERY_STATUSES = ['pending', 'delivered', 'failed', 'skipped', 'digested'] as const
/**
 * `pending`: under way, tries to come included. `failed`: no further try. `skipped`: its channel was disabled or gone.
 * `digested`: told together with others, by another delivery.
 */
export type DeliveryStatus = (typeof DELIVERY_STATUSES)[number]

export const DELIVERY_CAUSES = ['event', 'test', 'replay', 'digest'] as const
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
  readonly memberId: string | null
  /** It gets no task before this. */
  readonly dueAtMs: number
  /** Tries that failed. */
  readonly tries: number
  /** Tasks that it had before this one and that put it off. */
  readonly round: number
  /** The time that the rate limit of its channel has given it. */
  readonly slotAtMs: number | null
  /** What it is gathered by while it waits to be told together with others. */
  readonly digest: string | null
  /** The delivery that told of it, together with others. */
  readonly digestId: string | null
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
  /** JSON of what was sent, cut, without what is secret. */
  readonly request: string | null
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
  readonly memberId: string | null
  readonly readAtMs: number | null
  readonly createdAtMs: number
}
