/** A typed client of the HTTP API, over fetch. */
import type { Json, JsonObject } from '../platform/json.ts'
import { makeTransport } from './transport.ts'
import type * as v from './views.ts'
import { type WatchOptions, watchEvents } from './watch.ts'

export interface ClientOptions {
  /** Where the server listens, for example `http://127.0.0.1:3000`. */
  readonly url: string
  /** An API key; without one only what is open to all can be called. */
  readonly key?: string | undefined
  readonly fetch?: typeof fetch
}

const RUN_ENDS = ['run.completed', 'run.failed', 'run.cancelled', 'run.timed_out']
const TASK_ENDS = ['task.completed', 'task.failed', 'task.dead', 'task.cancelled']

const e = encodeURIComponent

/** Every call rejects with `ApiError` (the server refused) or `ConnectionError` (no answer). Starts nothing by itself. */
export const makeClient = ({ url, key, fetch = globalThis.fetch }: ClientOptions) => {
  const transport = makeTransport({ url, key, fetch })
  const get = <T>(path: string, query?: object): Promise<T> =>
    transport.json('GET', path, { query: query as Record<string, string | number | undefined> })
  const send = <T>(method: string, path: string, body?: unknown, query?: object): Promise<T> =>
    transport.json(method, path, { body, query: query as Record<string, string | number | undefined> })

  const change =
    (action: 'activate' | 'pause' | 'resume' | 'drain' | 'archive') =>
    (name: string): Promise<v.AgentView> =>
      send('POST', `/v1/agents/${e(name)}/${action}`)

  return {
    url: transport.url,

    runs: {
      /** With `waitMs` it answers with the ended run if it ends in that time, else with the run as it is then. */
      start: (run: v.NewRun, { waitMs }: { waitMs?: number } = {}): Promise<v.RunView> =>
        send('POST', '/v1/runs', run, { wait: waitMs }),
      list: (
        query: v.PageQuery & {
          status?: string | undefined
          kind?: string | undefined
          target?: string | undefined
        } = {},
      ): Promise<v.Page<v.RunView>> => get('/v1/runs', query),
      find: (id: string): Promise<v.RunView> => get(`/v1/runs/${e(id)}`),
      cancel: (id: string): Promise<v.RunView> => send('POST', `/v1/runs/${e(id)}/cancel`),
      continue: (id: string): Promise<v.RunView> => send('POST', `/v1/runs/${e(id)}/continue`),
      signal: (id: string, name: string, payload?: Json): Promise<unknown> =>
        send('POST', `/v1/runs/${e(id)}/signals/${e(name)}`, payload === undefined ? {} : { payload }),
      events: (id: string, query: { after?: number; limit?: number } = {}): Promise<v.EventPage> =>
        get(`/v1/runs/${e(id)}/events`, query),
      /** The journal from its beginning on, page by page. */
      steps: (id: string, query: v.PageQuery = {}): Promise<v.Page<v.StepView>> =>
        get(`/v1/runs/${e(id)}/steps`, query),
      /** The run's timeline from its beginning, live, until its end; a broken connection is taken up where it broke. */
      watch: (id: string, options?: WatchOptions): AsyncGenerator<v.EventView> =>
        watchEvents(
          transport,
          {
            path: `/v1/runs/${e(id)}/stream`,
            isLast: (event) => event.runId === id && RUN_ENDS.includes(event.type),
          },
          options,
        ),
    },

    tasks: {
      create: (task: v.NewTask): Promise<v.TaskView> => send('POST', '/v1/tasks', task),
      list: (
        query: v.PageQuery & {
          status?: string | undefined
          kind?: string | undefined
          runId?: string | undefined
          priority?: string | undefined
        } = {},
      ): Promise<v.Page<v.TaskView>> => get('/v1/tasks', query),
      find: (id: string): Promise<v.TaskView> => get(`/v1/tasks/${e(id)}`),
      cancel: (id: string): Promise<v.TaskView> => send('POST', `/v1/tasks/${e(id)}/cancel`),
      retry: (id: string): Promise<v.TaskView> => send('POST', `/v1/tasks/${e(id)}/retry`),
      events: (id: string, query: { after?: number; limit?: number } = {}): Promise<v.EventPage> =>
        get(`/v1/tasks/${e(id)}/events`, query),
      watch: (id: string, options?: WatchOptions): AsyncGenerator<v.EventView> =>
        watchEvents(
          transport,
          { path: `/v1/tasks/${e(id)}/stream`, isLast: (event) => TASK_ENDS.includes(event.type) },
          options,
        ),
    },

    /** Answers of those who were handed a token, or took it with the task of an activity. */
    taskTokens: {
      succeed: (token: string, output: Json = null): Promise<unknown> =>
        send('POST', `/v1/task-tokens/${e(token)}/success`, { output }),
      fail: (
        token: string,
        failure: { error?: string | undefined; cause?: string | undefined } = {},
      ): Promise<unknown> => send('POST', `/v1/task-tokens/${e(token)}/failure`, failure),
      heartbeat: (token: string, progress?: Json): Promise<unknown> =>
        send('POST', `/v1/task-tokens/${e(token)}/heartbeat`, progress === undefined ? {} : { progress }),
    },

    activities: {
      /** The next task of that activity as soon as there is one; undefined when none came in that time. */
      poll: async (
        name: string,
        { waitMs, worker }: { waitMs?: number | undefined; worker?: string | undefined } = {},
      ): Promise<v.ActivityTaskView | undefined> => {
        const body = worker === undefined ? {} : { worker }
        const taken = await send<v.ActivityTaskView | null>('POST', `/v1/activities/${e(name)}/poll`, body, {
          wait: waitMs,
        })
        return taken ?? undefined
      },
    },

    deadLetters: {
      list: (
        query: v.PageQuery & {
          status?: string | undefined
          kind?: string | undefined
          reason?: string | undefined
        } = {},
      ): Promise<v.Page<v.DeadLetterView>> => get('/v1/dead-letters', query),
      redrive: (id: string): Promise<v.DeadLetterView> => send('POST', `/v1/dead-letters/${e(id)}/redrive`),
      find: (id: string): Promise<v.DeadLetterDetail> => get(`/v1/dead-letters/${e(id)}`),
      /** Goes on after the answer. */
      redriveAll: (request: {
        kind?: string | undefined
        reason?: string | undefined
        ratePerSecond?: number | undefined
      }): Promise<v.RedriveView> => send('POST', '/v1/dead-letters/redrive', request),
      redrives: (query: v.PageQuery = {}): Promise<v.Page<v.RedriveView>> => get('/v1/dead-letters/redrives', query),
      findRedrive: (id: string): Promise<v.RedriveView> => get(`/v1/dead-letters/redrives/${e(id)}`),
      cancelRedrive: (id: string): Promise<v.RedriveView> => send('POST', `/v1/dead-letters/redrives/${e(id)}/cancel`),
      discardAll: (filter: {
        kind?: string | undefined
        reason?: string | undefined
      }): Promise<{ readonly count: number; readonly hasMore: boolean }> =>
        send('POST', '/v1/dead-letters/discard', filter),
      discard: (id: string): Promise<v.DeadLetterView | null> => send('DELETE', `/v1/dead-letters/${e(id)}`),
    },

    queues: {
      list: (): Promise<v.Page<v.QueueView>> => get('/v1/queues'),
      /** Without a tenant: for all, by the operator. */
      pause: (name: string, tenantId?: string): Promise<v.QueueRuleView> =>
        send('POST', `/v1/queues/${e(name)}/pause`, { tenantId }),
      resume: (name: string, tenantId?: string): Promise<v.QueueRuleView> =>
        send('POST', `/v1/queues/${e(name)}/resume`, { tenantId }),
      rules: (query: v.PageQuery & { tenantId?: string | undefined } = {}): Promise<v.Page<v.QueueRuleView>> =>
        get('/v1/queues/rules', query),
      setRule: (rule: v.QueueRuleChanges): Promise<v.QueueRuleView> => send('PUT', '/v1/queues/rules', rule),
      removeRule: async (place: v.QueueRulePlace): Promise<void> => {
        await send('DELETE', '/v1/queues/rules', undefined, place)
      },
    },

    workflows: {
      /** Makes it, or its next version when the definition differs. */
      put: (workflow: {
        name: string
        definition: object | string
        format?: 'json' | 'yaml' | undefined
      }): Promise<v.WorkflowView> => send('POST', '/v1/workflows', workflow),
      validate: (request: {
        definition: object | string
        format?: 'json' | 'yaml' | undefined
      }): Promise<v.ValidationView> => send('POST', '/v1/workflows/validate', request),
      testState: (test: v.StateTest): Promise<v.StateTestView> => send('POST', '/v1/workflows/test-state', test),
      /** The JSON Schema of definitions. */
      schema: (): Promise<JsonObject> => get('/v1/workflows/schema.json'),
      list: (query: v.PageQuery = {}): Promise<v.Page<v.WorkflowView>> => get('/v1/workflows', query),
      find: (name: string, version?: number): Promise<v.WorkflowView> => get(`/v1/workflows/${e(name)}`, { version }),
      archive: (name: string): Promise<v.WorkflowView | null> => send('DELETE', `/v1/workflows/${e(name)}`),
    },

    agents: {
      /** A draft: it takes runs when activated. */
      create: (agent: { name: string; type?: string | undefined; config: JsonObject }): Promise<v.AgentView> =>
        send('POST', '/v1/agents', agent),
      addVersion: (name: string, config: JsonObject): Promise<v.AgentView> =>
        send('PUT', `/v1/agents/${e(name)}`, { config }),
      list: (
        query: v.PageQuery & { status?: string | undefined; type?: string | undefined } = {},
      ): Promise<v.Page<v.AgentView>> => get('/v1/agents', query),
      find: (name: string, version?: number): Promise<v.AgentView> => get(`/v1/agents/${e(name)}`, { version }),
      activate: change('activate'),
      pause: change('pause'),
      resume: change('resume'),
      drain: change('drain'),
      archive: change('archive'),
    },

    skills: {
      create: (skill: {
        name: string
        kind: 'http' | 'function'
        description?: string | undefined
        definition: JsonObject
      }): Promise<v.SkillView> => send('POST', '/v1/skills', skill),
      addVersion: (
        name: string,
        skill: { description?: string | undefined; definition: JsonObject },
      ): Promise<v.SkillView> => send('PUT', `/v1/skills/${e(name)}`, skill),
      list: (query: v.PageQuery = {}): Promise<v.Page<v.SkillView>> => get('/v1/skills', query),
      find: (name: string, version?: number): Promise<v.SkillView> => get(`/v1/skills/${e(name)}`, { version }),
      archive: (name: string): Promise<v.SkillView | null> => send('DELETE', `/v1/skills/${e(name)}`),
    },

    keys: {
      list: (query: v.PageQuery = {}): Promise<v.Page<v.KeyView>> => get('/v1/keys', query),
      create: (key: {
        name: string
        role?: string | undefined
        scopes?: readonly string[] | undefined
        projectId?: string | undefined
        expiresAt?: string | undefined
      }): Promise<v.NewKeyView> => send('POST', '/v1/keys', key),
      /** Another secret for the same key; the one before counts for that long too, a day if not said. */
      rotate: (id: string, { keepOldHours }: { keepOldHours?: number | undefined } = {}): Promise<v.NewKeyView> =>
        send('POST', `/v1/keys/${e(id)}/rotate`, { keepOldHours }),
      revoke: (id: string): Promise<v.KeyView> => send('DELETE', `/v1/keys/${e(id)}`),
    },

    schedules: {
      list: (query: v.PageQuery & { status?: string | undefined } = {}): Promise<v.Page<v.ScheduleView>> =>
        get('/v1/schedules', query),
      find: (name: string): Promise<v.ScheduleView> => get(`/v1/schedules/${e(name)}`),
      create: (name: string, definition: JsonObject): Promise<v.ScheduleView> =>
        send('POST', '/v1/schedules', { ...definition, name }),
      replace: (name: string, definition: JsonObject): Promise<v.ScheduleView> =>
        send('PUT', `/v1/schedules/${e(name)}`, definition),
      /** With all its history; what it started goes on. */
      remove: (name: string): Promise<unknown> => send('DELETE', `/v1/schedules/${e(name)}`),
      pause: (name: string): Promise<v.ScheduleView> => send('POST', `/v1/schedules/${e(name)}/pause`),
      resume: (name: string): Promise<v.ScheduleView> => send('POST', `/v1/schedules/${e(name)}/resume`),
      trigger: (name: string, fire: { input?: Json | undefined } = {}): Promise<v.FireView> =>
        send('POST', `/v1/schedules/${e(name)}/trigger`, fire),
      /** The next times it is planned for. */
      preview: (
        name: string,
        query: { count?: number } = {},
      ): Promise<{ readonly items: readonly { plannedAt: string }[] }> =>
        get(`/v1/schedules/${e(name)}/preview`, query),
      fires: (name: string, query: v.PageQuery = {}): Promise<v.Page<v.FireView>> =>
        get(`/v1/schedules/${e(name)}/fires`, query),
    },

    /** Values go in and never come out. */
    secrets: {
      list: (query: v.PageQuery = {}): Promise<v.Page<v.SecretView>> => get('/v1/secrets', query),
      set: (
        name: string,
        secret: { value: string; hosts?: readonly string[] | undefined },
        { projectId }: { projectId?: string | undefined } = {},
      ): Promise<v.SecretView> => send('PUT', `/v1/secrets/${e(name)}`, secret, { projectId }),
      remove: (name: string, { projectId }: { projectId?: string | undefined } = {}): Promise<unknown> =>
        send('DELETE', `/v1/secrets/${e(name)}`, undefined, { projectId }),
      /** For the operator: puts all sealed things under the newest key; again until `isDone`. */
      rotate: (): Promise<v.RotationView> => send('POST', '/v1/secrets/rotate'),
    },

    projects: {
      list: (query: v.PageQuery = {}): Promise<v.Page<v.ProjectView>> => get('/v1/projects', query),
      create: (name: string): Promise<v.ProjectView> => send('POST', '/v1/projects', { name }),
    },

    /** Who the key is, and what it may do. */
    session: (): Promise<v.SessionView> => get('/v1/session'),
    /** Resolves when the process is alive and answers. */
    health: (): Promise<unknown> => get('/healthz'),
    /** Resolves when it can do work; rejects with what is not ready. */
    ready: (): Promise<unknown> => get('/readyz'),
  }
}

export type Client = ReturnType<typeof makeClient>
