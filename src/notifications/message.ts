/** The forms in which an event reaches a receiver. */
import type { Event } from '../platform/events/event.ts'
import { severityOf, tellsOf } from './catalogue.ts'
import type { Delivery, InboxItem, Message } from './types.ts'

export const toMessage = (event: Event): Message => ({
  type: event.type,
  timestamp: new Date(event.atMs).toISOString(),
  eventId: event.id,
  projectId: event.projectId,
  runId: event.runId,
  taskId: event.taskId,
  data: event.data,
})

const LONGEST_TEXT = 1000
/** The facts of an event that name the thing it is about, in the order in which a reader wants them. */
const NAMING = ['name', 'schedule', 'target', 'kind', 'step', 'state', 'signal', 'text', 'reason'] as const

const errorText = (error: unknown): string => {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown }
  return [code, message].filter((part) => typeof part === 'string').join(': ')
}

/** One line for people: what happened, to what, and why. */
const toTitle = ({ type, data }: Message): string => {
  const names = NAMING.map((field) => data[field]).filter((value) => typeof value === 'string')
  const facts = [...names, errorText(data.error)].filter((text) => text !== '')
  const text = [`${type}: ${tellsOf(type)}`, facts.join(' · ')].filter((part) => part !== '').join(' ')
  return text.length > LONGEST_TEXT ? `${text.slice(0, LONGEST_TEXT)}…` : text
}

/** Slack reads these three as markup, everything else as it is. */
const escapeSlack = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')

/** The body that Slack's incoming webhooks take, and the many services that copy them. */
export const toSlackBody = (message: Message): string => {
  const ids = [message.runId && `run ${message.runId}`, message.taskId && `task ${message.taskId}`].filter(Boolean)
  const lines = [toTitle(message), ...(ids.length > 0 ? [ids.join(', ')] : [])]
  return JSON.stringify({ text: escapeSlack(lines.join('\n')) })
}

/** Named by its delivery, so that an item is not made twice. */
export const toInboxItem = (delivery: Delivery, message: Message): InboxItem => ({
  id: delivery.id,
  tenantId: delivery.tenantId,
  projectId: delivery.projectId,
  channelId: delivery.channelId,
  type: delivery.type,
  severity: severityOf(delivery.type),
  title: toTitle(message),
  message: delivery.message,
  readAtMs: null,
  createdAtMs: delivery.createdAtMs,
})
