/** What each documented route with a parameter takes there, and a body that is right. */
import type { Json } from '../../../src/platform/json.ts'
import { functionSkill } from './world.ts'

export interface Route {
  readonly method: string
  readonly path: string
}

export const routesOf = (document: { paths: Record<string, Record<string, unknown>> }): Route[] =>
  Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => ({ method: method.toUpperCase(), path })),
  )

/** The kind of thing (see world.ts) by the beginning of the path; the longest counts. */
const THINGS: Readonly<Record<string, string>> = {
  '/v1/agents/{': 'agent',
  '/v1/channels/{': 'channel',
  '/v1/dead-letters/{': 'letter',
  '/v1/dead-letters/redrives/{': 'redrive',
  '/v1/deliveries/{': 'delivery',
  '/v1/inbox/{': 'inbox',
  '/v1/keys/{': 'apiKey',
  '/v1/runs/{': 'run',
  '/v1/schedules/{': 'schedule',
  '/v1/secrets/{': 'secret',
  '/v1/skills/{': 'skill',
  '/v1/subscriptions/{': 'subscription',
  '/v1/tasks/{': 'task',
  '/v1/templates/{': 'template',
  '/v1/workflows/{': 'workflow',
}

/** Their parameter names nothing that could belong to a project. */
export const OF_NO_PROJECT: Readonly<Record<string, string>> = {
  '/v1/activities/{name}/poll': 'takes tasks of its own project; tested by itself',
  '/v1/task-tokens/{token}/success': 'tested by itself',
  '/v1/task-tokens/{token}/failure': 'tested by itself',
  '/v1/task-tokens/{token}/heartbeat': 'tested by itself',
  '/v1/members/{id}': 'people belong to tenants',
  '/v1/notification-preferences/{memberId}': 'of people',
  '/v1/queues/{partition}/pause': 'of the tenant; a key of a project lacks the permission',
  '/v1/queues/{partition}/resume': 'of the tenant; a key of a project lacks the permission',
  '/v1/tenants/{id}/limits': 'of the operator; a key of a project lacks the permission',
}

export const thingOf = (path: string): string | undefined => {
  const fitting = Object.keys(THINGS).filter((start) => path.startsWith(start))
  return THINGS[fitting.sort((a, b) => b.length - a.length)[0] ?? '']
}

const BODIES: Readonly<Record<string, Json>> = {
  'PUT /v1/agents/{name}': {
    config: { instructions: 'changed', model: { baseUrl: 'https://m.invalid/v1', name: 'm' } },
  },
  'PUT /v1/channels/{id}': { name: 'changed' },
  'PUT /v1/schedules/{name}': { timing: { every: '2 days' }, target: { task: 'skill:core/noop' } },
  'POST /v1/schedules/{name}/backfill': { from: '2026-01-01T00:00:00Z', until: '2026-01-02T00:00:00Z' },
  'PUT /v1/secrets/{name}': { value: 'changed' },
  'PUT /v1/skills/{name}': functionSkill('changed'),
  'PUT /v1/templates/{id}': { body: 'changed' },
}

export const bodyOf = ({ method, path }: Route): Json | undefined =>
  method === 'GET' || method === 'DELETE' ? undefined : (BODIES[`${method} ${path}`] ?? {})

export const pathTo = (path: string, id: string): string =>
  path.replace(/\{[^}]+\}/, encodeURIComponent(id)).replace('/signals/{name}', '/signals/go')
