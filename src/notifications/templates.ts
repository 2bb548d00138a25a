/** Templates of messages: made, changed, removed, tried out; and found for a channel. */
import { LRUCache } from 'lru-cache'
import type { Clock } from '../platform/clock.ts'
import type { Database, Handle } from '../platform/db/database.ts'
import { isUniqueViolation } from '../platform/db/errors.ts'
import type { StandaloneEvent } from '../platform/events/event.ts'
import { writeEvent } from '../platform/events/write.ts'
import type { CreatedCursor } from '../platform/http/page.ts'
import type { MakeId } from '../platform/ids.ts'
import { type Owner, toScope } from '../platform/scope.ts'
import { sampleOf } from './catalogue.ts'
import { notificationErrors } from './errors.ts'
import type { Liquids } from './liquid.ts'
import { scopeOf } from './message.ts'
import { makeTemplateRepository } from './repository-templates.ts'
import type { Channel, Message, Template, TemplateText } from './types.ts'

export interface TemplateOptions {
  readonly db: Database
  readonly clock: Clock
  readonly makeId: MakeId
  readonly liquids: Liquids
}

export interface TemplateChange {
  readonly name?: string | undefined
  readonly subject?: string | undefined
  readonly body?: string | undefined
}

/** What a preview is made for: an event type, with data like its own or some given. */
export interface PreviewOf {
  readonly type: string
  readonly data?: Message['data'] | undefined
}

/** How long another process may go on with the text before a change. */
const KEPT_MS = 5000
const KEPT = 1000

export const makeTemplates = ({ db, clock, makeId, liquids }: TemplateOptions) => {
  const repository = makeTemplateRepository(db.primary)
  const kept = new LRUCache<string, { readonly template: Template | undefined; readonly atMs: number }>({ max: KEPT })

  const eventOf = ({ id, tenantId, projectId, name }: Template, type: string): StandaloneEvent => ({
    tenantId,
    projectId,
    type,
    data: { templateId: id, name },
    atMs: clock.now(),
  })

  const check = ({ subject, body }: TemplateText): void => {
    liquids.check(subject)
    liquids.check(body)
  }

  const exists = (name: string, cause: unknown): unknown =>
    isUniqueViolation(cause) ? notificationErrors.template_exists(`there is a template "${name}" already`) : cause

  const find = async (owner: Owner, id: string, at = repository): Promise<Template> => {
    const template = await at.find(owner, id)
    if (!template) throw notificationErrors.template_not_found(`there is no template ${id}`)
    return template
  }

  /** As it is now, and stays until the end of the transaction: whoever changes it too waits. */
  const hold = async (tx: Handle, owner: Owner, id: string): Promise<Template> => {
    const held = makeTemplateRepository(tx)
    await held.lock(owner, id)
    return find(owner, id, held)
  }

  const create = async (owner: Owner, text: TemplateText & { readonly name: string }): Promise<Template> => {
    check(text)
    const nowMs = clock.now()
    const { name, subject, body } = text
    const { tenantId, projectId } = toScope(owner)
    const times = { createdAtMs: nowMs, updatedAtMs: nowMs }
    const template: Template = { id: makeId(), tenantId, projectId, name, subject, body, ...times }
    try {
      await db.transaction(async (tx) => {
        await makeTemplateRepository(tx).add(template)
        await writeEvent(tx, eventOf(template, 'template.created'))
      })
    } catch (error) {
      throw exists(name, error)
    }
    return template
  }

  const changed = (before: Template, change: TemplateChange): Template => {
    const { name = before.name, subject = before.subject, body = before.body } = change
    return { ...before, name, subject, body, updatedAtMs: clock.now() }
  }

  const update = async (
    owner: Owner,
    id: string,
    change: TemplateChange,
    checkState?: (current: Template) => void,
  ): Promise<Template> => {
    const before = await find(owner, id)
    check(changed(before, change))
    try {
      return await db.transaction(async (tx) => {
        const held = await hold(tx, owner, id)
        checkState?.(held)
        const after = changed(held, change)
        await makeTemplateRepository(tx).change(after)
        await writeEvent(tx, eventOf(after, 'template.changed'))
        return after
      })
    } catch (error) {
      throw exists(change.name ?? before.name, error)
    } finally {
      kept.delete(id)
    }
  }

  /** Channels that use it go back to the plain text. */
  const remove = async (owner: Owner, id: string, checkState?: (current: Template) => void): Promise<void> => {
    await db.transaction(async (tx) => {
      const template = await hold(tx, owner, id)
      checkState?.(template)
      await makeTemplateRepository(tx).remove(template.tenantId, id)
      await writeEvent(tx, eventOf(template, 'template.deleted'))
    })
    kept.delete(id)
  }

  /** Throws `template_invalid`, also for what goes wrong only when it is rendered. */
  const preview = ({ subject, body }: TemplateText, { type, data }: PreviewOf): TemplateText => {
    const message: Message = {
      type,
      timestamp: new Date(clock.now()).toISOString(),
      eventId: 1,
      projectId: null,
      runId: makeId(),
      taskId: null,
      data: data ?? sampleOf(type),
    }
    const scope = scopeOf(message)
    return { subject: liquids.render(subject, scope), body: liquids.render(body, scope) }
  }

  /** The template of a channel; undefined when it has none, or when that is gone. */
  const of = async ({
    tenantId,
    settings: { templateId },
  }: Pick<Channel, 'tenantId' | 'settings'>): Promise<Template | undefined> => {
    if (templateId === null) return undefined
    const known = kept.get(templateId)
    if (known && clock.now() - known.atMs < KEPT_MS) return known.template
    const template = await repository.find(tenantId, templateId)
    kept.set(templateId, { template, atMs: clock.now() })
    return template
  }

  return {
    find,
    create,
    update,
    remove,
    preview,
    of,
    list: (owner: Owner, after: CreatedCursor | undefined, limit: number) => repository.list(owner, after, limit),
  }
}

export type Templates = ReturnType<typeof makeTemplates>
