/** HTTP routes of dead letters: looked at with their history, started again one by one or many at a rate, or discarded. */
import { z } from 'zod'
import type { EventLog } from '../platform/events/log.ts'
import { eventView } from '../platform/http/event-stream.ts'
import { pageQuery, readPage } from '../platform/http/page.ts'
import type { Principal } from '../platform/http/principal.ts'
import type { HttpServer } from '../platform/http/server.ts'
import { idSchema, toTime, toTimeOrNull } from '../platform/http/views.ts'
import type { TaskService } from './service.ts'
import { taskView } from './task-view.ts'
import type { DeadLetter, Redrive } from './types.ts'

export interface DeadLetterRoutesOptions {
  readonly tasks: TaskService
  readonly log: EventLog
}

const deadLetterView = (letter: DeadLetter) => ({
  id: letter.id,
  taskId: letter.taskId,
  kind: letter.kind,
  status: letter.status,
  reason: letter.reason,
  error: letter.error,
  attempts: letter.attempts,
  createdAt: toTime(letter.createdAtMs),
  resolvedAt: toTimeOrNull(letter.resolvedAtMs),
})

const redriveView = (redrive: Redrive) => ({
  id: redrive.id,
  status: redrive.status,
  kind: redrive.kind,
  reason: redrive.reason,
  ratePerSecond: redrive.ratePerSecond,
  count: redrive.done,
  skipped: redrive.skipped,
  createdAt: toTime(redrive.createdAtMs),
  finishedAt: toTimeOrNull(redrive.finishedAtMs),
})

const reason = z.enum(['attempts_used_up', 'not_retryable', 'deadline_passed', 'worker_lost']).optional()
const kind = z.string().max(300).optional()
const deadQuery = z.strictObject({
  ...pageQuery,
  status: z.enum(['dead', 'redriven', 'discarded']).optional(),
  kind,
  reason,
})
const scopeOf = ({ tenantId, projectId }: Principal) => ({ tenantId, projectId })
const byId = z.object({ id: idSchema })
/** Events of a task that are shown with its letter: all of most, the first of those that told much. */
const HISTORY = 500

const addRedrives = (server: HttpServer, { tasks }: DeadLetterRoutesOptions): void => {
  const tags = ['dead letters']
  const read = { permission: 'tasks:read' } as const
  const write = { permission: 'tasks:write' } as const
  server.post(
    '/v1/dead-letters/redrive',
    {
      config: write,
      schema: {
        tags,
        summary: 'Start all dead tasks again that fit, at a rate if one is given',
        description:
          'Goes on after the answer, also through a restart; GET /v1/dead-letters/redrives/:id says how far it is.',
        body: z.strictObject({
          kind,
          reason,
          ratePerSecond: z.number().min(0.01).max(10_000).optional(),
        }),
      },
    },
    async ({ principal, body }, reply) =>
      reply.code(202).send(redriveView(await tasks.redrives.start({ ...scopeOf(principal), ...body }))),
  )
  server.get(
    '/v1/dead-letters/redrives',
    { config: read, schema: { tags, summary: 'List redrives, newest first', querystring: z.strictObject(pageQuery) } },
    async ({ principal, query }) =>
      readPage(query, ({ after, limit }) => tasks.redrives.list(principal, after?.id, limit), redriveView),
  )
  server.get(
    '/v1/dead-letters/redrives/:id',
    { config: read, schema: { tags, summary: 'How far a redrive is', params: byId } },
    async ({ principal, params }) => redriveView(await tasks.redrives.find(principal, params.id)),
  )
  server.post(
    '/v1/dead-letters/redrives/:id/cancel',
    { config: write, schema: { tags, summary: 'End a redrive; what it started again goes on', params: byId } },
    async ({ principal, params }) => redriveView(await tasks.redrives.cancel(principal, params.id)),
  )
}

export const addDeadLetters = (server: HttpServer, options: DeadLetterRoutesOptions): void => {
  const { tasks, log } = options
  const tags = ['dead letters']
  const write = { permission: 'tasks:write' } as const
  server.get(
    '/v1/dead-letters',
    {
      config: { permission: 'tasks:read' },
      schema: { tags, summary: 'List dead letters, newest first', querystring: deadQuery },
    },
    async ({ principal, query }) =>
      readPage(query, (filter) => tasks.tasks.deadLetters(principal, filter), deadLetterView),
  )
  addRedrives(server, options)

  server.get(
    '/v1/dead-letters/:id',
    {
      config: { permission: 'tasks:read' },
      schema: { tags, summary: 'A dead letter with its task and the history of its attempts', params: byId },
    },
    async ({ principal, params }) => {
      const { letter, task } = await tasks.letter(principal, params.id)
      const events = await log.readNow({ ...scopeOf(principal), taskId: task.id, afterId: 0, limit: HISTORY })
      return { ...deadLetterView(letter), task: taskView(task), history: events.map(eventView) }
    },
  )
  server.post(
    '/v1/dead-letters/:id/redrive',
    { config: write, schema: { tags, summary: 'Start a dead task again', params: byId } },
    async ({ principal, params }) => deadLetterView(await tasks.redrive(principal, params.id)),
  )
  server.post(
    '/v1/dead-letters/discard',
    {
      config: write,
      schema: {
        tags,
        summary: 'Discard dead letters that fit, at most a thousand a call; their tasks stay dead',
        body: z.strictObject({ kind, reason }),
      },
    },
    async ({ principal, body }) => tasks.discardMany(principal, body),
  )
  server.delete(
    '/v1/dead-letters/:id',
    { config: write, schema: { tags, summary: 'Discard a dead letter; its task stays dead', params: byId } },
    async ({ principal, params }) => deadLetterView(await tasks.discard(principal, params.id)),
  )
}
