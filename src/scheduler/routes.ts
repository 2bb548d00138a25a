/** HTTP routes of schedules. */
import { z } from 'zod'
import { ifMatch, sendTagged } from '../platform/http/etag.ts'
import { type PageRead, pageQuery, readPage } from '../platform/http/page.ts'
import type { HttpServer, Routes } from '../platform/http/server.ts'
import { jsonSchema, nameSchema, noContent, timeSchema, toTime, toTimeOrNull } from '../platform/http/views.ts'
import { definitionSchema, definitionView, newScheduleSchema, overlapSchema } from './definition.ts'
import type { ScheduleService } from './service.ts'
import { FIRE_STATUSES, type Fire, SCHEDULE_STATUSES, type Schedule } from './types.ts'

const scheduleView = (schedule: Schedule) => ({
  id: schedule.id,
  name: schedule.name,
  projectId: schedule.projectId,
  status: schedule.status,
  ...definitionView(schedule),
  nextAt: toTimeOrNull(schedule.nextAtMs),
  fires: schedule.fires,
  failures: schedule.failures,
  createdAt: toTime(schedule.createdAtMs),
  updatedAt: toTime(schedule.updatedAtMs),
})

/** Its fires move by themselves: they make another answer, and are in no change's way. */
const stateOf = (schedule: Schedule) => ({
  fields: [schedule.id, schedule.status, schedule.timing, schedule.target, schedule.input, schedule.options],
  figures: [schedule.nextAtMs, schedule.fires, schedule.failures, schedule.updatedAtMs],
})

const fireView = (fire: Fire) => ({
  plannedAt: toTime(fire.plannedAtMs),
  cause: fire.cause,
  status: fire.status,
  reason: fire.reason,
  count: fire.reason === 'missed' ? fire.count : 1,
  until: toTimeOrNull(fire.untilMs),
  dueAt: toTime(fire.dueAtMs),
  startedAt: toTimeOrNull(fire.startedAtMs),
  latenessMs: fire.startedAtMs === null ? null : Math.max(0, fire.startedAtMs - fire.dueAtMs),
  finishedAt: toTimeOrNull(fire.finishedAtMs),
  runId: fire.ref?.kind === 'run' ? fire.ref.id : null,
  taskId: fire.ref?.kind === 'task' ? fire.ref.id : null,
  error: fire.error,
})

const tags = ['schedules']
const params = z.object({ name: nameSchema })
const read = { config: { permission: 'schedules:read' } } as const
const write = { config: { permission: 'schedules:write' } } as const
const previewQuery = z.strictObject({
  count: z.coerce.number().int().min(1).max(100).default(10),
  from: timeSchema.optional().describe('Default: now.'),
})
const msOf = (time: string | undefined): number | undefined => (time === undefined ? undefined : Date.parse(time))

const addReads = (server: HttpServer, schedules: ScheduleService): void => {
  const listQuery = z.strictObject({ status: z.enum(SCHEDULE_STATUSES).optional(), ...pageQuery })
  server.get(
    '/v1/schedules',
    { ...read, schema: { tags, summary: 'List schedules, newest first', querystring: listQuery } },
    async ({ principal, query }) => readPage(query, (filter) => schedules.list(principal, filter), scheduleView),
  )

  server.get(
    '/v1/schedules/:name',
    { config: { ...read.config, conditional: true }, schema: { tags, summary: 'One schedule', params } },
    async (request, reply) => {
      const schedule = await schedules.find(request.principal, request.params.name)
      return sendTagged(request, reply, stateOf(schedule), scheduleView(schedule))
    },
  )

  server.get(
    '/v1/schedules/:name/preview',
    { ...read, schema: { tags, summary: 'The next times it is planned for', params, querystring: previewQuery } },
    async (request) => {
      const { count, from } = request.query
      const times = await schedules.preview(request.principal, request.params.name, count, msOf(from))
      return {
        items: times.map(({ plannedAtMs, dueAtMs }) => ({ plannedAt: toTime(plannedAtMs), dueAt: toTime(dueAtMs) })),
      }
    },
  )

  server.post(
    '/v1/schedules/preview',
    {
      ...read,
      schema: {
        tags,
        summary: 'The next times of a schedule that is not stored',
        querystring: previewQuery,
        body: definitionSchema,
      },
    },
    async (request) => {
      const { count, from } = request.query
      const times = schedules.previewOf(request.body, count, msOf(from))
      return { items: times.map((ms) => ({ plannedAt: toTime(ms) })) }
    },
  )

  const firesQuery = z.strictObject({ status: z.enum(FIRE_STATUSES).optional(), ...pageQuery })
  server.get(
    '/v1/schedules/:name/fires',
    { ...read, schema: { tags, summary: 'History of its fires, last planned first', params, querystring: firesQuery } },
    async ({ principal, params: { name }, query }) => {
      const read = async ({ status, after, limit }: PageRead<typeof query>) => {
        const fires = await schedules.fires(principal, name, { status, beforeMs: after?.createdAtMs, limit })
        return fires.map((fire) => ({ fire, createdAtMs: fire.plannedAtMs, id: fire.scheduleId }))
      }
      return readPage(query, read, ({ fire }) => fireView(fire))
    },
  )
}

export const makeScheduleRoutes =
  (schedules: ScheduleService): Routes =>
  (server) => {
    addReads(server, schedules)

    server.post(
      '/v1/schedules',
      { ...write, schema: { tags, summary: 'Make a schedule', body: newScheduleSchema } },
      async (request, reply) => {
        const { tenantId, projectId } = request.principal
        return reply.code(201).send(scheduleView(await schedules.create(tenantId, projectId, request.body)))
      },
    )

    server.put(
      '/v1/schedules/:name',
      {
        config: { ...write.config, conditional: true },
        schema: { tags, summary: 'Replace the definition of a schedule', params, body: definitionSchema },
      },
      async (request, reply) => {
        const { principal, params: path, body } = request
        const schedule = await schedules.update(principal, path.name, body, ifMatch(request, stateOf))
        return sendTagged(request, reply, stateOf(schedule), scheduleView(schedule))
      },
    )

    server.delete(
      '/v1/schedules/:name',
      {
        config: { ...write.config, conditional: true },
        schema: {
          tags,
          summary: 'Delete a schedule and its history; what it started goes on',
          params,
          response: { 204: noContent },
        },
      },
      async (request, reply) => {
        await schedules.remove(request.principal, request.params.name, ifMatch(request, stateOf))
        return reply.code(204).send()
      },
    )

    const moves = {
      pause: 'Fire no more until it is resumed',
      resume: 'Fire again, and make up for missed times',
    } as const
    for (const move of ['pause', 'resume'] as const) {
      server.post(
        `/v1/schedules/:name/${move}`,
        { ...write, schema: { tags, summary: moves[move], params } },
        async (request) => scheduleView(await schedules[move](request.principal, request.params.name)),
      )
    }

    const triggerBody = z.strictObject({ input: jsonSchema.optional(), overlap: overlapSchema.optional() })
    server.post(
      '/v1/schedules/:name/trigger',
      {
        ...write,
        schema: {
          tags,
          summary: 'Fire now',
          description:
            'Works while paused, too. The answer is the fire: by the overlap policy it may be queued or skipped.',
          params,
          body: triggerBody.nullish(),
        },
      },
      async (request, reply) => {
        const { principal, params: path, body } = request
        return reply.code(201).send(fireView(await schedules.trigger(principal, path.name, body ?? {})))
      },
    )

    server.post(
      '/v1/schedules/:name/backfill',
      {
        ...write,
        schema: {
          tags,
          summary: 'Fire the planned times of a range of the past',
          description: 'Times that have fired stay as they are. By default one after the other (`queue-all`).',
          params,
          body: z.strictObject({ from: timeSchema, until: timeSchema, overlap: overlapSchema.optional() }),
        },
      },
      async (request, reply) => {
        const { from, until, overlap } = request.body
        const range = { fromMs: Date.parse(from), untilMs: Date.parse(until), overlap }
        return reply.code(202).send(await schedules.backfill(request.principal, request.params.name, range))
      },
    )
  }
