/** HTTP routes of runs, of workflows and agents alike. */
import { z } from 'zod'
import {
  type Engine,
  engineErrors,
  isFinal,
  type JournalEntry,
  parseDuration,
  RUN_STATUSES,
  type Run,
} from '../engine/index.ts'
import type { EventHub } from '../platform/events/hub.ts'
import type { EventLog } from '../platform/events/log.ts'
import { eventSchema, eventView, filterOf, streamEvents } from '../platform/http/event-stream.ts'
import { type PageOrder, type PageRead, pageOf, pageQuery, readPage, readPageBy } from '../platform/http/page.ts'
import type { HttpServer, Routes } from '../platform/http/server.ts'
import { givenTraceId } from '../platform/http/trace-context.ts'
import {
  durationSchema,
  errorSchema,
  idSchema,
  jsonSchema,
  nameSchema,
  priorityName,
  priorityOf,
  prioritySchema,
  toTime,
  toTimeOrNull,
} from '../platform/http/views.ts'
import type { Owner } from '../platform/scope.ts'
import { workflowErrors } from './errors.ts'

const runSchema = z.object({
  id: idSchema,
  kind: z.enum(['workflow', 'agent']),
  target: z.string(),
  version: z.number(),
  status: z.enum(RUN_STATUSES),
  priority: prioritySchema,
  projectId: z.string().nullable(),
  parentRunId: z.string().nullable(),
  input: jsonSchema,
  output: jsonSchema,
  error: errorSchema.nullable(),
  waitingFor: z.string().nullable(),
  createdAt: z.string(),
  startedAt: z.string().nullable(),
  finishedAt: z.string().nullable(),
})

const runView = (run: Run) => ({
  id: run.id,
  kind: run.kind,
  target: run.target,
  version: run.version,
  status: run.status,
  priority: priorityName(run.priority),
  projectId: run.projectId,
  parentRunId: run.parentRunId,
  input: run.input,
  output: run.output,
  error: run.error,
  waitingFor: run.waitingFor,
  createdAt: toTime(run.createdAtMs),
  startedAt: toTimeOrNull(run.startedAtMs),
  finishedAt: toTimeOrNull(run.finishedAtMs),
})

const stepSchema = z.object({
  position: z.number(),
  key: z.string(),
  kind: z.string(),
  outcome: z.enum(['ok', 'error']),
  value: jsonSchema,
  ref: z.string().nullable(),
  at: z.string(),
})

const stepView = ({ atMs, ...entry }: JournalEntry) => ({ ...entry, at: toTime(atMs) })

/** The journal is a list from its beginning on. */
const byPosition: PageOrder<JournalEntry, number> = { placeOf: ({ position }) => position, place: z.int().min(0) }

const newRun = z
  .strictObject({
    workflow: nameSchema.optional(),
    agent: nameSchema.optional(),
    version: z.number().int().min(1).optional(),
    input: jsonSchema.default(null),
    priority: prioritySchema.optional(),
    timeout: durationSchema.optional().describe('Limit of the whole run.'),
    idempotencyKey: z.string().min(1).max(200).optional(),
  })
  .refine((body) => (body.workflow === undefined) !== (body.agent === undefined), {
    error: 'name either a workflow or an agent',
    path: ['workflow'],
  })

const byId = z.object({ id: idSchema })
const tags = ['runs']
const LONGEST_WAIT_MS = 60_000

export interface RunRoutesOptions {
  readonly engine: Engine
  readonly log: EventLog
  readonly hub: EventHub
  readonly payloadLimitBytes: number
}

const checkSize = (value: unknown, limitBytes: number, what: string): void => {
  const sizeBytes = Buffer.byteLength(JSON.stringify(value) ?? '')
  if (sizeBytes <= limitBytes) return
  throw engineErrors.payload_too_large(
    `${what} has ${sizeBytes} bytes as JSON; allowed: ${limitBytes} (PAYLOAD_LIMIT_BYTES)`,
  )
}

const addReads = (server: HttpServer, { engine, log, hub }: RunRoutesOptions): void => {
  const read = { permission: 'runs:read' as const }
  const find = async (owner: Owner, id: string): Promise<Run> => {
    const run = await engine.runs.find(owner, id)
    if (!run) throw engineErrors.run_not_found(`there is no run ${id}`)
    return run
  }

  server.get(
    '/v1/runs',
    {
      config: read,
      schema: {
        tags,
        summary: 'List runs, newest first',
        querystring: z.strictObject({
          ...pageQuery,
          status: z.enum(RUN_STATUSES).optional(),
          kind: z.enum(['workflow', 'agent']).optional(),
          target: nameSchema.optional(),
          parentRunId: idSchema.optional(),
        }),
        response: { 200: pageOf(runSchema) },
      },
    },
    async ({ principal, query }, reply) => {
      const read = ({ after, ...filter }: PageRead<typeof query>) =>
        engine.runs.list(principal, { ...filter, before: after })
      return reply.send(await readPage(query, read, runView))
    },
  )

  server.get(
    '/v1/runs/:id',
    {
      config: read,
      schema: {
        tags,
        summary: 'Get a run, waiting for its end if asked',
        params: byId,
        querystring: z.strictObject({ wait: z.coerce.number().int().min(0).max(LONGEST_WAIT_MS).optional() }),
        response: { 200: runSchema },
      },
    },
    async (request, reply) => {
      const run = await find(request.principal, request.params.id)
      const { wait } = request.query
      const isOver = isFinal(run.status) || !wait
      return reply.send(runView(isOver ? run : await engine.wait(run.tenantId, run.id, wait)))
    },
  )

  server.get(
    '/v1/runs/:id/steps',
    {
      config: read,
      schema: {
        tags,
        summary: 'What a run has finished, in order: its journal',
        params: byId,
        querystring: z.strictObject(pageQuery),
        response: { 200: pageOf(stepSchema) },
      },
    },
    async ({ principal, params, query }, reply) => {
      const run = await find(principal, params.id)
      return reply.send(await readPageBy(byPosition, query, (page) => engine.runs.steps(run.id, page), stepView))
    },
  )

  server.get(
    '/v1/runs/:id/events',
    {
      config: read,
      schema: {
        tags,
        summary: 'Timeline of a run, its steps and tasks',
        params: byId,
        querystring: z.strictObject({ after: z.coerce.number().int().min(0).default(0), limit: pageQuery.limit }),
        response: { 200: z.object({ items: z.array(eventSchema), nextCursor: z.number().nullable() }) },
      },
    },
    async (request, reply) => {
      const run = await find(request.principal, request.params.id)
      const { after, limit } = request.query
      const events = await log.read({ tenantId: run.tenantId, runId: run.id, afterId: after, limit })
      return reply.send({
        items: events.map(eventView),
        nextCursor: events.length === limit ? (events.at(-1)?.id ?? null) : null,
      })
    },
  )

  server.get(
    '/v1/runs/:id/stream',
    {
      config: read,
      schema: {
        tags,
        summary: 'Timeline of a run, live (server-sent events)',
        description:
          'Resumes after `Last-Event-ID` (or `?after=`). Ends after the event that ends the run; whoever has had that is answered 204, upon which an `EventSource` does not come again.',
        params: byId,
        querystring: z.strictObject({ after: z.coerce.number().int().min(0).optional() }),
      },
    },
    async (request, reply) => {
      const run = await find(request.principal, request.params.id)
      const isLast = (event: { taskId: string | null; type: string }): boolean =>
        event.taskId === null && ['run.completed', 'run.failed', 'run.cancelled', 'run.timed_out'].includes(event.type)
      const filter = { tenantId: run.tenantId, runId: run.id }
      await streamEvents(request, reply, { log, hub, filter, isLast, isOver: isFinal(run.status) })
    },
  )

  server.get(
    '/v1/events/stream',
    {
      config: { permission: 'events:read' },
      schema: {
        tags: ['events'],
        summary: 'Everything that happens, live (server-sent events)',
        description: 'From now on, or after `Last-Event-ID` (or `?after=`; 0 is the beginning of the log).',
        querystring: z.strictObject({ after: z.coerce.number().int().min(0).optional() }),
      },
    },
    async (request, reply) =>
      streamEvents(request, reply, { log, hub, filter: filterOf(request.principal), fromNow: true }),
  )
}

export const makeRunRoutes =
  (options: RunRoutesOptions): Routes =>
  (server) => {
    const { engine, payloadLimitBytes } = options
    const write = { permission: 'runs:write' as const }

    server.post(
      '/v1/runs',
      {
        config: write,
        schema: {
          tags,
          summary: 'Start a run of a workflow or an agent',
          description:
            'Answered after the commit: an accepted run is never lost. 200 when the idempotency key was known. With `?wait=MS` the ' +
            'answer comes when the run has ended, or after that time with the run as it is.',
          querystring: z.strictObject({ wait: z.coerce.number().int().min(0).max(LONGEST_WAIT_MS).optional() }),
          body: newRun,
          response: { 201: runSchema, 200: runSchema },
        },
      },
      async (request, reply) => {
        const { body, principal, query } = request
        const target = body.workflow ?? body.agent
        if (target === undefined) throw workflowErrors.run_target_missing('name either a workflow or an agent')
        checkSize(body.input, payloadLimitBytes, 'the input of the run')
        const { run, isNew } = await engine.create({
          tenantId: principal.tenantId,
          projectId: principal.projectId,
          kind: body.workflow === undefined ? 'agent' : 'workflow',
          target,
          version: body.version,
          input: body.input,
          priority: priorityOf(body.priority),
          timeoutMs: body.timeout === undefined ? undefined : parseDuration(body.timeout, 'timeout'),
          idempotencyKey: body.idempotencyKey,
          by: `${principal.kind}:${principal.keyId}`,
          traceId: givenTraceId(request.trace),
        })
        const answer = query.wait && !isFinal(run.status) ? await engine.wait(run.tenantId, run.id, query.wait) : run
        return reply.code(isNew ? 201 : 200).send(runView(answer))
      },
    )

    server.post(
      '/v1/runs/:id/cancel',
      {
        config: write,
        schema: {
          tags,
          summary: 'Cancel a run',
          description: 'What it waits for is called off, and its function may clean up. A second call ends it at once.',
          params: byId,
          response: { 202: runSchema },
        },
      },
      async (request, reply) =>
        reply.code(202).send(runView(await engine.cancel(request.principal, request.params.id))),
    )

    server.post(
      '/v1/runs/:id/continue',
      {
        config: write,
        schema: {
          tags,
          summary: 'Continue a stopped run after its code was mended',
          params: byId,
          response: { 202: runSchema },
        },
      },
      async (request, reply) =>
        reply.code(202).send(runView(await engine.continue(request.principal, request.params.id))),
    )

    server.post(
      '/v1/runs/:id/signals/:name',
      {
        config: write,
        schema: {
          tags,
          summary: 'Send a signal to a run',
          description: 'Kept until the run asks for it.',
          params: z.object({ id: idSchema, name: z.string().min(1).max(200) }),
          body: z.strictObject({ payload: jsonSchema.default(null) }).nullish(),
        },
      },
      async (request, reply) => {
        const payload = request.body?.payload ?? null
        checkSize(payload, payloadLimitBytes, 'the payload of the signal')
        await engine.signal(request.principal, request.params.id, request.params.name, payload)
        return reply.code(202).send({ accepted: true })
      },
    )

    addReads(server, options)
  }
