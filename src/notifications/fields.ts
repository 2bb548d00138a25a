/** The fields of events' data, each once: what it holds, as JSON Schema (2020-12), with an example for previews of templates. */
import type { Json, JsonSchema } from '../platform/json.ts'

const text = (description: string, example: string): JsonSchema => ({
  type: 'string',
  description,
  examples: [example],
})
const whole = (description: string, example: number): JsonSchema => ({
  type: 'integer',
  description,
  examples: [example],
})
const textOrNull = (description: string, example: string): JsonSchema => ({
  ...text(description, example),
  type: ['string', 'null'],
})
const texts = (description: string, ...example: string[]): JsonSchema => ({
  type: 'array',
  items: { type: 'string' },
  description,
  examples: [example],
})
const anything = (description: string, example: Json): JsonSchema => ({ description, examples: [example] })

const ID = '019a0000-0000-7000-8000-000000000000'
const AT_MS = 1_767_225_600_000

const FIELDS: Readonly<Record<string, JsonSchema>> = {
  atMs: whole('Milliseconds since the epoch.', AT_MS),
  attempt: whole('1 is the first.', 1),
  budget: text('Which budget: `turns`, `tokens` or `wallTime`.', 'tokens'),
  by: anything('Who or what asked for it.', 'schedule'),
  cause: text('Why it fired.', 'time'),
  channelId: text('Id of a channel.', ID),
  childRunId: text('Id of a run.', ID),
  count: whole('How many.', 3),
  data: anything('What the code gave.', { order: 7 }),
  dueMs: {
    ...whole('When it is due, in milliseconds since the epoch; null: never.', AT_MS),
    type: ['integer', 'null'],
  },
  durationMs: whole('How long it took, in milliseconds.', 1500),
  email: text('Address of a member.', 'ann@example.org'),
  error: {
    type: ['object', 'string', 'null'],
    description: 'What went wrong: `code` is for programs, `message` for people.',
    examples: [{ code: 'delivery_refused', message: 'the receiver answered 500' }],
  },
  failed: whole('How many failed.', 0),
  failures: whole('How many in a row.', 3),
  for: text('What it waits for: `signal:NAME`, `run:TARGET`, `timer` or `retry`.', 'signal:approved'),
  fromMs: whole('The beginning of it, in milliseconds since the epoch.', AT_MS),
  itemIds: texts('Ids of inbox items.', ID),
  items: {
    type: 'array',
    items: { type: 'object' },
    description: 'What is told together, each with its title.',
    examples: [[]],
  },
  keyId: text('Id of an API key.', ID),
  kind: text('Which kind of its thing.', 'agent:clerk'),
  latenessMs: whole('How late, in milliseconds.', 40),
  limit: whole('How much is allowed.', 50_000),
  limits: anything("The limits that are the tenant's own.", { runsPerDay: 1000 }),
  memberId: text('Id of a member.', ID),
  message: text('A line for people.', 'order 7 is on its way'),
  name: text('Name of the thing.', 'ops'),
  partition: text('Name of a queue.', 'tasks'),
  paused: { type: 'boolean', description: 'Whether it was paused for that.', examples: [true] },
  plannedAtMs: whole('For when it was planned, in milliseconds since the epoch.', AT_MS),
  position: whole('Entries of the journal.', 12),
  previousUntilMs: anything('Until when the old one counts, in milliseconds since the epoch.', AT_MS),
  progress: anything('What the code told.', { percent: 40 }),
  reason: text('Why.', 'attempts_used_up'),
  retryAtMs: whole('When it is tried again, in milliseconds since the epoch.', AT_MS),
  retryCount: whole('Tries before this one.', 1),
  role: textOrNull('Role of a member or a key.', 'operator'),
  runAtMs: whole('When it is due, in milliseconds since the epoch.', AT_MS),
  runId: text('Id of the run that was started.', ID),
  schedule: text('Name of a schedule.', 'nightly'),
  scheduleId: text('Id of a schedule.', ID),
  scope: anything('Where it stands, within Parallel and Map states.', 'Each.0'),
  scopes: texts('What a key may do.', '*:read'),
  shard: text('Name of a database; `main` is the primary.', 'main'),
  signal: text('Name of a signal.', 'approved'),
  skillId: text('Id of a skill.', ID),
  state: text('Name of a state.', 'Charge'),
  step: text('Name of a step or a call within its run.', 'load order'),
  subscriptionId: text('Id of a subscription.', ID),
  succeeded: whole('How many succeeded.', 100),
  target: text('What is run.', 'workflow:refund'),
  taskId: text('Id of the task that was started.', ID),
  templateId: text('Id of a template.', ID),
  text: text('A line for people.', 'a test of the channel "ops"'),
  timer: text('Name of a sleep.', 'sleep'),
  traceId: text('The W3C trace of the request that asked for it.', '4bf92f3577b34da6a3ce929d0e0e4736'),
  types: texts('Event types.', 'run.failed'),
  untilMs: whole('The end of it, in milliseconds since the epoch.', AT_MS),
  used: whole('How much was used.', 50_210),
  version: whole('1 is the first.', 2),
}

export const hasField = (name: string): boolean => Object.hasOwn(FIELDS, name)

/** Of a field that nobody described, anything is allowed. */
const fieldOf = (name: string): JsonSchema => FIELDS[name] ?? {}

const nameOf = (field: string): string => field.replace(/\?$/, '')

/** The schema of an event's data, for fields of which those with `?` can be missing. */
export const schemaOfFields = (fields: readonly string[]): JsonSchema => ({
  type: 'object',
  properties: Object.fromEntries(fields.map((field) => [nameOf(field), fieldOf(nameOf(field))])),
  required: fields.filter((field) => !field.endsWith('?')),
  additionalProperties: false,
})

export const sampleOfFields = (fields: readonly string[]): { [key: string]: Json } =>
  Object.fromEntries(
    fields.map(nameOf).map((name) => [name, ((fieldOf(name).examples as Json[] | undefined) ?? [null])[0] as Json]),
  )
