/** What the event log tells of notifications themselves: the ends of their tasks, and what is told to nobody. */
import type { Event } from '../platform/events/event.ts'

export const DELIVER_KIND = 'notification:deliver'
export const OUTBOX_CURSOR = 'notification-outbox'

/** Events of deliveries and of the inbox: to tell of those would never end. */
export const isOwn = ({ type, data }: Event): boolean =>
  type.startsWith('inbox.') || (typeof data.kind === 'string' && data.kind.startsWith('notification:'))

/** What the end of a delivery's task, as the log tells of it, means for the delivery: from which status to which. */
export const STATUS_AFTER = {
  'task.dead': ['pending', 'failed'],
  'task.cancelled': ['pending', 'failed'],
  'task.redriven': ['failed', 'pending'],
  'task.retried': ['failed', 'pending'],
} as const

export const textOfEnd = (event: Event): string | null => {
  const { error } = event.data as { error?: { code?: string; message?: string } }
  if (event.type === 'task.cancelled') return 'cancelled'
  return error ? `${error.code}: ${error.message}` : null
}
