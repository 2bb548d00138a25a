/** HTTP routes of tasks. */
import { z } from 'zod'
import { parseDuration } from '../engine/index.ts'
import type { EventHub } from '../platform/events/hub.ts'
import type { EventLog } from '../platform/events/log.ts'
import { eventSchema, eventView, streamEvents } from '../platform/http/event-stream.ts'
import { pageOf, pageQuery, readPage } from '../platform/http/page.ts'
import type { HttpServer, Routes } from '../platform/http/server.ts'
import { givenTraceId } from '../platform/http/trace-context.ts'
import { durationSchema, idSchema, jsonSchema, priorityOf, prioritySchema, timeSchema } from '../platform/http/views.ts'
import { addDeadLetters } from './dead-letter-routes.ts'
import type { TaskService } from './service.ts'
import { taskSchema, taskView } from './task-view.ts'
import { addTokenRoutes } from './token-routes.ts'
import { isOpenTask, TASK_STATUSES, type Task } from './types.ts'

const retrySchema = z.strictObject({
  attempts: z.number().int().min(1).max(100).optional(),
  backoff: z.enum(['constant', 'linear', 'exponential']).optional(),
  delay: durationSchema.optional(),
  maxDelay: durationSchema.optional(),
  jitter: z.number().min(0).max(1).optional(),
  nonRetryable: z.array(z.string()).max(50).optional(),
})

const newTask = z
  .strictObject({
    kind: z.string().min(1).max(300).describe('`skill:NAME/TOOL`, or the name of a task handler.'),
    input: jsonSchema.default(null),
    priority: prioritySchema.optional(),
    delay: durationSchema.optional(),
    runAt: timeSchema.optional(),
    deadline: timeSchema.optional().describe('After this moment the task is dead, attempts or not.'),
    timeout: durationSchema.optional().describe('Limit of one attempt.'),
    heartbeatTimeout: durationSchema.optional(),
    retry: retrySchema.optional(),
    idempotencyKey: z.string().min(1).max(200).optional(),
    limitKey: z
      .string()
      .min(1)
      .max(200)
      .optional()
      .describe('Tasks with the same one share the limits that are set for it; see PUT /v1/queues/rules.'),
  })
  .refine((body) => body.delay === undefined || body.runAt === undefined, {
    error: 'give delay or runAt, not both',
    path: ['delay'],
  })

const listQuery = z.strictObject({
  ...pageQuery,
  status: z.enum(TASK_STATUSES).optional(),
  kind: z.string().max(300).optional(),
  runId: idSchema.optional(),
  priority: prioritySchema.optional(),
})

const byId = z.object({ id: idSchema })
const optionalMs = (duration: number | string | undefined, field: string): number | undefined =>
  duration === undefined ? undefined : parseDuration(duration, field)

export interface TaskRoutesOptions {
  readonly tasks: TaskService
  readonly log: EventLog
  readonly hub: EventHub
  readonly now: () => number
}

const addTimeline = (server: HttpServer, { tasks, log, hub }: TaskRoutesOptions): void => {
  const filterOf = (task: Task) =>
    task.runId === null
      ? { tenantId: task.tenantId, taskId: task.id }
      : { tenantId: task.tenantId, runId: task.runId, taskId: task.id }
  const read = { permission: 'tasks:read' as const }

  server.get(
    '/v1/tasks/:id/events',
    {
      config: read,
      schema: {
        tags: ['tasks'],
        summary: 'Timeline of a task',
        params: byId,
        querystring: z.strictObject({ after: z.coerce.number().int().min(0).default(0), limit: pageQuery.limit }),
        response: { 200: z.object({ items: z.array(eventSchema), nextCursor: z.number().nullable() }) },
      },
    },
    async (request, reply) => {
      const task = await tasks.find(request.principal, request.params.id)
      const { after, limit } = request.query
      const events = await log.read({ ...filterOf(task), afterId: after, limit })
      return reply.send({
        items: events.map(eventView),
        nextCursor: events.length === limit ? (events.at(-1)?.id ?? null) : null,
      })
    },
  )

  server.get(
    '/v1/tasks/:id/stream',
    {
      config: read,
      schema: {
        tags: ['tasks'],
        summary: 'Timeline of a task, live (server-sent events)',
        description: 'Resumes after `Last-Event-ID` (or `?after=`).',
        params: byId,
        querystring: z.strictObject({ after: z.coerce.number().int().min(0).optional() }),
      },
    },
    async (request, reply) => {
      const task = await tasks.find(request.principal, request.params.id)
      const isLast = (event: { taskId: string | null; type: string }): boolean =>
        event.taskId === task.id &&
        ['task.completed', 'task.failed', 'task.dead', 'task.cancelled'].includes(event.type)
      await streamEvents(request, reply, {
        log,
        hub,
        filter: { tenantId: task.tenantId, taskId: task.id },
        ...(isOpenTask(task.status) ? { isLast } : {}),
        // A dead one may be redriven.
        isOver: ['completed', 'cancelled'].includes(task.status),
        readRunId: task.runId,
      })
    },
  )
}

export const makeTaskRoutes =
  (options: TaskRoutesOptions): Routes =>
  (server) => {
    const { tasks, now } = options
    const tags = ['tasks']

    server.post(
      '/v1/tasks',
      {
        config: { permission: 'tasks:write' },
        schema: {
          tags,
          summary: 'Make a task',
          description:
            'Answered after the commit: an accepted task is never lost. 200 when the idempotency key was known.',
          body: newTask,
          response: { 201: taskSchema, 200: taskSchema },
        },
      },
      async (request, reply) => {
        const { body, principal } = request
        const delayMs = optionalMs(body.delay, 'delay')
        const { task, isNew } = await tasks.create({
          tenantId: principal.tenantId,
          projectId: principal.projectId,
          kind: body.kind,
          input: body.input,
          priority: priorityOf(body.priority),
          runAtMs: body.runAt === undefined ? delayMs && now() + delayMs : Date.parse(body.runAt),
          deadlineAtMs: body.deadline === undefined ? undefined : Date.parse(body.deadline),
          timeoutMs: optionalMs(body.timeout, 'timeout'),
          heartbeatMs: optionalMs(body.heartbeatTimeout, 'heartbeatTimeout'),
          retry: body.retry,
          idempotencyKey: body.idempotencyKey,
          limitKey: body.limitKey,
          traceId: givenTraceId(request.trace),
        })
        return reply.code(isNew ? 201 : 200).send(taskView(task))
      },
    )

    server.get(
      '/v1/tasks',
      {
        config: { permission: 'tasks:read' },
        schema: {
          tags,
          summary: 'List tasks, newest first',
          querystring: listQuery,
          response: { 200: pageOf(taskSchema) },
        },
      },
      async (request, reply) => {
        const { principal, query } = request
        const priority = query.priority && priorityOf(query.priority)
        const page = await readPage(query, (filter) => tasks.tasks.list(principal, { ...filter, priority }), taskView)
        return reply.send(page)
      },
    )

    server.get(
      '/v1/tasks/:id',
      {
        config: { permission: 'tasks:read' },
        schema: { tags, summary: 'Get a task', params: byId, response: { 200: taskSchema } },
      },
      async (request, reply) => reply.send(taskView(await tasks.find(request.principal, request.params.id))),
    )

    for (const [verb, summary] of [
      ['cancel', 'Cancel an open task'],
      ['retry', 'Try a dead, cancelled or scheduled task again, now'],
    ] as const) {
      server.post(
        `/v1/tasks/:id/${verb}`,
        {
          config: { permission: 'tasks:write' },
          schema: { tags, summary, params: byId, response: { 200: taskSchema } },
        },
        async (request, reply) => reply.send(taskView(await tasks[verb](request.principal, request.params.id))),
      )
    }

    addTimeline(server, options)
    addDeadLetters(server, options)
    addTokenRoutes(server, tasks)
  }
