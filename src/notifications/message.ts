/** The forms in which an event reaches a receiver. */
import { withoutNul } from '../platform/db/text.ts'
import type { Event } from '../platform/events/event.ts'
import { type Severity, severityOf, tellsOf } from './catalogue.ts'
import type { Escape, Liquids } from './liquid.ts'
import type { Delivery, InboxItem, Message, TemplateText } from './types.ts'

export const toMessage = (event: Event): Message => ({
  type: event.type,
  timestamp: new Date(event.atMs).toISOString(),
  eventId: event.id,
  projectId: event.projectId,
  runId: event.runId,
  taskId: event.taskId,
  data: event.data,
})

export const DIGEST_TYPE = 'notification.digest'
const LONGEST_TEXT = 1000
const LONGEST_DIGEST_LINE = 200
/** The facts of an event that name the thing it is about, in the order in which a reader wants them. */
const NAMING = ['name', 'schedule', 'target', 'kind', 'step', 'state', 'signal', 'text', 'reason'] as const

const errorText = (error: unknown): string => {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown }
  return [code, message].filter((part) => typeof part === 'string').join(': ')
}

const cut = (text: string, length: number): string => (text.length > length ? `${text.slice(0, length)}…` : text)

/** One line for people: what happened, to what, and why. */
const toTitle = ({ type, data }: Message): string => {
  if (type === DIGEST_TYPE) return `${String(data.count)} notifications`
  const names = NAMING.map((field) => data[field]).filter((value) => typeof value === 'string')
  const facts = [...names, errorText(data.error)].filter((text) => text !== '')
  return cut([`${type}: ${tellsOf(type)}`, facts.join(' · ')].filter((part) => part !== '').join(' '), LONGEST_TEXT)
}

export interface DigestItem {
  readonly type: string
  readonly timestamp: string
  readonly severity: Severity
  readonly title: string
  readonly projectId: string | null
  readonly runId: string | null
  readonly taskId: string | null
}

export const toDigestItem = (message: Message): DigestItem => ({
  type: message.type,
  timestamp: message.timestamp,
  severity: severityOf(message.type),
  title: cut(toTitle(message), LONGEST_DIGEST_LINE),
  projectId: message.projectId,
  runId: message.runId,
  taskId: message.taskId,
})

const itemsOf = ({ data }: Message): readonly DigestItem[] => (data.items ?? []) as unknown as DigestItem[]

const plainBody = (message: Message): string => {
  if (message.type === DIGEST_TYPE)
    return itemsOf(message)
      .map(({ timestamp, title }) => `${timestamp}  ${title}`)
      .join('\n')
  return [message.runId && `run ${message.runId}`, message.taskId && `task ${message.taskId}`]
    .filter(Boolean)
    .join(', ')
}

/** What a template sees. */
export const scopeOf = (message: Message) => ({
  ...message,
  severity: severityOf(message.type),
  title: toTitle(message),
  tells: tellsOf(message.type),
  items: message.type === DIGEST_TYPE ? itemsOf(message) : [toDigestItem(message)],
})

/** Subject and text for people. A template that fails gives way to the plain text: what happened is told in any case. */
export const toText = (
  message: Message,
  template: TemplateText | undefined,
  liquids: Liquids,
  escaping?: Escape,
): TemplateText => {
  const plain = { subject: toTitle(message), body: plainBody(message) }
  const escaped = escaping ? { subject: escaping(plain.subject), body: escaping(plain.body) } : plain
  if (!template) return escaped
  try {
    const scope = scopeOf(message)
    const subject = template.subject === '' ? escaped.subject : liquids.render(template.subject, scope, escaping)
    return { subject, body: liquids.render(template.body, scope, escaping) }
  } catch (error) {
    const note = `(${(error as Error).message})`
    return {
      ...escaped,
      body: [escaped.body, escaping ? escaping(note) : note].filter((line) => line !== '').join('\n'),
    }
  }
}

/** Slack reads these three as markup, everything else as it is. */
export const escapeSlack: Escape = (text) =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')

/** Named by its delivery, so that an item is not made twice. */
export const toInboxItem = (delivery: Delivery, title: string): InboxItem => ({
  id: delivery.id,
  tenantId: delivery.tenantId,
  projectId: delivery.projectId,
  channelId: delivery.channelId,
  type: delivery.type,
  severity: severityOf(delivery.type),
  title: cut(withoutNul(title), LONGEST_TEXT),
  message: delivery.message,
  memberId: delivery.memberId,
  readAtMs: null,
  createdAtMs: delivery.createdAtMs,
})
