/** One of everything that can belong to a project: of a project, and of none; marked, so that it is known in any answer. */
import type { Json } from '../../../src/platform/json.ts'
import type { TestApp } from '../../support/app.ts'
import { until } from '../../support/until.ts'

/** Ids and names by the kind of thing, as paths take them. */
export type Things = Readonly<Record<string, string>>

export const FLOW = { StartAt: 'A', States: { A: { Type: 'Task', Resource: 'signal:go', End: true } } }
const ASKS = { StartAt: 'A', States: { A: { Type: 'Task', Resource: 'activity:pack', End: true } } }

export const functionSkill = (note: string) => ({
  description: note,
  definition: {
    source: 'export const main = (input) => input',
    tools: [{ name: 'main', description: note, inputSchema: { type: 'object' }, entry: 'main' }],
  },
})

/** `mark` is a part of every name and content, and of no id. */
export const populate = async ({ call }: TestApp, key: string, mark: string): Promise<Things> => {
  const make = async (path: string, body: Json, method = 'POST') => {
    const answer = await call(method, path, body, key)
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${JSON.stringify(answer.body)}`)
    return answer.body
  }
  const first = (path: string, what = path) =>
    until(what, async () => (await call('GET', path, undefined, key)).body.items[0])

  const channel = (await make('/v1/channels', { kind: 'inbox', name: `${mark}-channel` })).id
  const subscription = (await make('/v1/subscriptions', { channelId: channel, types: ['*'] })).id
  const template = (await make('/v1/templates', { name: `${mark}-template`, body: mark })).id
  const skill = `${mark}-skill`
  await make('/v1/skills', { name: skill, kind: 'function', ...functionSkill(mark) })
  const agent = `${mark}-agent`
  await make('/v1/agents', {
    name: agent,
    config: { instructions: mark, model: { baseUrl: 'https://m.invalid/v1', name: 'm' } },
  })
  await make(`/v1/agents/${agent}/activate`, {})
  const workflow = `${mark}-workflow`
  await make('/v1/workflows', { name: workflow, definition: { Comment: mark, ...FLOW } })
  await make('/v1/workflows', { name: `${mark}-asks`, definition: { Comment: mark, ...ASKS } })
  const schedule = `${mark}-schedule`
  await make('/v1/schedules', { name: schedule, timing: { every: '1 day' }, target: { workflow }, input: { mark } })
  const secret = `${mark.toUpperCase()}_SECRET`
  await make(`/v1/secrets/${secret}`, { value: 'hush-hush' }, 'PUT')
  const apiKey = (await make('/v1/keys', { name: `${mark}-key`, scopes: ['runs:read'] })).id
  const run = (await make('/v1/runs', { workflow, input: { mark } })).id
  const asks = (await make('/v1/runs', { workflow: `${mark}-asks`, input: { mark } })).id
  const task = (await make('/v1/tasks', { kind: 'skill:core/fail', input: { message: mark }, retry: { attempts: 1 } }))
    .id
  const redrive = (await make('/v1/dead-letters/redrive', { kind: `${mark}-nothing` })).id
  const isMine = (item: { taskId?: string; projectId?: string | null }) => item.taskId === task
  const letter = await until(
    'a dead letter',
    async () => (await call('GET', '/v1/dead-letters', undefined, key)).body.items.find(isMine)?.id,
  )
  await until(
    'a waiting run',
    async () => (await call('GET', `/v1/runs/${run}`, undefined, key)).body.waitingFor ?? undefined,
  )
  const inTask = await until(
    'the task of an activity',
    async () => (await call('GET', `/v1/tasks?runId=${asks}`, undefined, key)).body.items[0]?.id,
  )
  const delivery = (await first(`/v1/deliveries?channelId=${channel}`)).id
  const inbox = (await first('/v1/inbox')).id
  return {
    ...{ channel, subscription, template, skill, agent, workflow, schedule, secret, apiKey, run, asks, task, redrive },
    ...{ letter, inTask, delivery, inbox },
  }
}
