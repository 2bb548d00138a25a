/** HTTP routes for those who work outside: they answer tasks by their token, and poll for the tasks of an activity. */
import { z } from 'zod'
import type { HttpServer } from '../platform/http/server.ts'
import { idSchema, jsonSchema, nameSchema, noContent } from '../platform/http/views.ts'
import type { TaskService } from './service.ts'

const LONGEST_POLL_MS = 60_000
/** The name under which States Language definitions know a failure without a name of its own. */
const NAMELESS_ERROR = 'States.TaskFailed'

const byToken = z.object({ token: idSchema })
const write = { permission: 'tasks:write' as const }

const addTokens = (server: HttpServer, { answers }: TaskService): void => {
  const tags = ['tasks']

  server.post(
    '/v1/task-tokens/:token/success',
    {
      config: write,
      schema: {
        tags,
        summary: 'End the task of a token with its output',
        description: 'Answered after the commit. 409 when the task has ended already, 404 when nobody knows the token.',
        params: byToken,
        response: { 204: noContent },
        body: z.strictObject({ output: jsonSchema.default(null) }),
      },
    },
    async (request, reply) => {
      await answers.answer(request.principal, request.params.token, { output: request.body.output })
      return reply.code(204).send()
    },
  )

  server.post(
    '/v1/task-tokens/:token/failure',
    {
      config: write,
      schema: {
        tags,
        summary: 'End the task of a token with an error',
        params: byToken,
        response: { 204: noContent },
        body: z.strictObject({
          error: z.string().min(1).max(256).default(NAMELESS_ERROR).describe('The name that a definition catches.'),
          cause: z.string().max(32_768).default(''),
        }),
      },
    },
    async (request, reply) => {
      const { error: code, cause: message } = request.body
      await answers.answer(request.principal, request.params.token, { error: { code, message } })
      return reply.code(204).send()
    },
  )

  server.post(
    '/v1/task-tokens/:token/heartbeat',
    {
      config: write,
      schema: {
        tags,
        summary: 'Say that the work for a token goes on',
        params: byToken,
        response: { 204: noContent },
        body: z.strictObject({ progress: jsonSchema.optional() }).optional(),
      },
    },
    async (request, reply) => {
      await answers.heartbeat(request.principal, request.params.token, request.body?.progress)
      return reply.code(204).send()
    },
  )
}

const addActivities = (server: HttpServer, { activities }: TaskService): void => {
  server.post(
    '/v1/activities/:name/poll',
    {
      config: write,
      schema: {
        tags: ['tasks'],
        summary: 'Take the next task of an activity, waiting for one up to a minute',
        description: 'The token and the input; 204 when none came. Answer it by its token.',
        params: z.object({ name: nameSchema }),
        querystring: z.strictObject({
          wait: z.coerce.number().int().min(0).max(LONGEST_POLL_MS).default(LONGEST_POLL_MS),
        }),
        body: z.strictObject({ worker: z.string().min(1).max(100).optional() }).optional(),
      },
    },
    async (request, reply) => {
      const { tenantId, projectId } = request.principal
      const gone = new AbortController()
      const leave = (): void => gone.abort()
      request.raw.socket.on('close', leave)
      request.server.openStreams.add(leave)
      const { name } = request.params
      const poll = {
        tenantId,
        projectId,
        name,
        worker: request.body?.worker,
        waitMs: request.query.wait,
        signal: gone.signal,
      }
      const taken = await activities.poll(poll).finally(() => {
        request.server.openStreams.delete(leave)
        request.raw.socket.off('close', leave)
      })
      if (!taken) return reply.code(204).send()
      const { task, token } = taken
      return { token, input: task.input, taskId: task.id, runId: task.runId, attempt: task.attempt }
    },
  )
}

export const addTokenRoutes = (server: HttpServer, tasks: TaskService): void => {
  addTokens(server, tasks)
  addActivities(server, tasks)
}
