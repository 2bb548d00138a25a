/** Requests that are right: what a world is made of, and what the fuzz breaks. */
import type { Json, JsonObject } from '../../../src/platform/json.ts'

const WAITS = {
  StartAt: 'A',
  States: { A: { Type: 'Task', Resource: 'signal:go', Next: 'B' }, B: { Type: 'Wait', Seconds: 1, End: true } },
}

const ASKS = {
  StartAt: 'A',
  States: { A: { Type: 'Task', Resource: 'activity:work', End: true } },
}

/** So many runs wait for an answer, and so many tasks are dead: an answer or a redrive uses one up. */
export const TOKENS = 6
export const DEAD_LETTERS = 6

/** By route, for the tenant of that name; `ids` are of what it has already. */
export const samplesFor = (who: string, note: string, ids: JsonObject): Record<string, Json[]> => ({
  'POST /v1/projects': [{ name: `${who}-project` }],
  'POST /v1/workflows': [
    { name: `${who}-workflow`, definition: { Comment: note, ...WAITS } },
    { name: `${who}-activity`, definition: { Comment: note, ...ASKS } },
  ],
  'POST /v1/workflows/validate': [{ definition: { Comment: note, ...WAITS } }],
  'POST /v1/workflows/test-state': [
    {
      definition: { Type: 'Pass', Parameters: { 'a.$': '$.a' }, End: true },
      input: { a: note },
      inspectionLevel: 'DEBUG',
    },
  ],
  'POST /v1/members': [{ email: `${who}@example.org`, name: note, role: 'viewer' }],
  'POST /v1/templates': [{ name: `${who}-template`, subject: '{{ type }}', body: `{{ title }} ${note}` }],
  'POST /v1/skills': [
    {
      name: `${who}-function`,
      kind: 'function',
      description: note,
      definition: {
        source: 'export const main = (input) => input',
        tools: [{ name: 'main', description: note, inputSchema: { type: 'object' }, entry: 'main' }],
      },
    },
    {
      name: `${who}-http`,
      kind: 'http',
      description: note,
      definition: {
        baseUrl: 'https://hooks.invalid',
        tools: [{ name: 'get', description: note, inputSchema: { type: 'object' }, method: 'GET', url: '/x' }],
      },
    },
  ],
  'POST /v1/agents': [
    {
      name: `${who}-agent`,
      type: 'helper',
      config: { model: { baseUrl: 'https://model.invalid/v1', name: 'm' }, instructions: note, skills: ['core/echo'] },
    },
  ],
  'POST /v1/runs': [
    { workflow: `${who}-workflow`, input: { note } },
    // Each gives one token to answer, once.
    ...Array.from({ length: TOKENS }, () => ({ workflow: `${who}-activity`, input: { note } })),
    { workflow: `${who}-workflow`, input: note, idempotencyKey: `${who}-run`, timeout: '1h', priority: 'high' },
  ],
  'POST /v1/tasks': [
    { kind: 'skill:core/echo', input: { note }, idempotencyKey: `${who}-task` },
    ...Array.from({ length: DEAD_LETTERS }, () => ({
      ...{ kind: 'skill:core/fail', input: { message: note }, retry: { attempts: 1 } },
    })),
    {
      kind: 'skill:core/noop',
      delay: '1h',
      deadline: '2100-01-01T00:00:00Z',
      retry: { attempts: 2, delay: 5, jitter: 0.5 },
    },
  ],
  'POST /v1/schedules': [
    {
      name: `${who}-schedule`,
      timing: { cron: '0 9 * * *', timeZone: 'Europe/Berlin' },
      target: { workflow: `${who}-workflow` },
      input: { note },
    },
    { name: `${who}-interval`, timing: { every: '1 day' }, target: { task: 'skill:core/echo' }, input: { note } },
  ],
  'POST /v1/channels': [
    { kind: 'inbox', name: `${who}-inbox` },
    { kind: 'webhook', name: `${who}-webhook`, url: `https://hooks.invalid/${note}` },
  ],
  'POST /v1/subscriptions': [{ channelId: ids.channel ?? 'none', types: ['*'] }],
  'PUT /v1/agents/{name}': [{ config: { model: { name: 'm' }, instructions: note } }],
  'PUT /v1/skills/{name}': [
    {
      description: note,
      definition: {
        source: 'export const main = () => 1',
        tools: [{ name: 'main', description: note, inputSchema: { type: 'object' }, entry: 'main' }],
      },
    },
  ],
  'PUT /v1/schedules/{name}': [{ timing: { every: '1 day' }, target: { task: 'skill:core/echo' } }],
  'POST /v1/schedules/{name}/backfill': [
    { from: '2026-01-01T00:00:00Z', until: '2026-01-03T00:00:00Z', overlap: 'skip' },
  ],
  'POST /v1/schedules/{name}/trigger': [{ input: { note } }, {}],
  'PUT /v1/channels/{id}': [{ name: `${who}-inbox` }, { url: 'https://hooks.invalid/y' }],
  'POST /v1/channels/{id}/rotate': [{ keepOldHours: 1 }],
  'POST /v1/deliveries/replay': [{ channelId: ids.channel ?? 'none', status: 'delivered' }],
  'POST /v1/activities/{name}/poll': [{ worker: 'w' }],
  'PATCH /v1/tenants/{id}/limits': [{ requestsPerMinute: 10, runsPerDay: null }],
  'PUT /v1/members/{id}': [{ role: 'developer' }, { name: note, status: 'active' }],
  'PUT /v1/templates/{id}': [{ body: `{% if data %}${note}{% endif %}` }],
  'PUT /v1/notification-preferences/{memberId}': [
    { timeZone: 'Europe/Berlin', quietHours: { from: '22:00', to: '07:00' }, digest: { every: 'hour' } },
  ],
  'PUT /v1/secrets/{name}': [{ value: note, hosts: ['hooks.invalid'] }],
  'PUT /v1/queues/rules': [
    { partition: 'tasks', concurrency: 500, weight: 2 },
    { partition: 'tasks', key: 'some-key', rate: { count: 1000, per: '1 s' } },
  ],
  'POST /v1/queues/{partition}/pause': [{ tenantId: ids.tenant ?? 'none' }],
  'POST /v1/queues/{partition}/resume': [{ tenantId: ids.tenant ?? 'none' }],
  'POST /v1/dead-letters/redrive': [{ kind: 'skill:core/fail', ratePerSecond: 0.01 }],
  'POST /v1/task-tokens/{token}/success': [{ output: { note } }],
  'POST /v1/task-tokens/{token}/failure': [{ error: 'Refused', cause: note }],
  'POST /v1/keys': [{ name: `${who}-spare`, scopes: ['runs:read'], expiresAt: '2100-01-01T00:00:00Z' }],
})

/** What is made of each sample, in that order: later things refer to former ones. */
export const ORDER = [
  'projects',
  'workflows',
  'skills',
  'agents',
  'channels',
  'subscriptions',
  'members',
  'templates',
  'runs',
  'tasks',
  'schedules',
  'keys',
]
