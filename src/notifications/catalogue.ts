/**
 * Every event type of the system: what it tells, how much it matters, and the fields of its data. A test reads the sources and
 * fails when a type is written that is missing here; the table in docs/notifications.md is made from this one.
 */
import type { Json, JsonSchema } from '../platform/json.ts'
import { sampleOfFields, schemaOfFields } from './fields.ts'

export const SEVERITIES = ['debug', 'info', 'warning', 'error'] as const
/** `debug`: the small steps of normal work. `warning`: somebody may want to look. `error`: something has failed for good. */
export type Severity = (typeof SEVERITIES)[number]

export interface EventType {
  readonly tells: string
  readonly severity: Severity
  /** Fields of its data; one with `?` can be missing. What each holds is in fields.ts. */
  readonly data: readonly string[]
}

const type = (severity: Severity, tells: string, ...data: string[]): EventType => ({ severity, tells, data })
const ofTask = (severity: Severity, tells: string, ...data: string[]): EventType =>
  type(severity, tells, 'kind', 'step?', ...data)

const ofSchedule = (severity: Severity, tells: string, ...data: string[]): EventType =>
  type(severity, tells, 'scheduleId', 'schedule', ...data)

export const CATALOGUE = {
  'run.created': type('info', 'A run was asked for.', 'target', 'version', 'kind', 'by?', 'traceId?'),
  'run.started': type('debug', 'A run began.', 'target', 'version'),
  'run.waiting': type('debug', 'A run waits for a timer, a signal, a task or another run.', 'for'),
  'run.resumed': type('debug', 'A run was rebuilt from its journal.', 'position'),
  'run.child': type('debug', 'A run started another one.', 'step', 'childRunId', 'target'),
  'run.log': type('debug', 'The code of a run wrote a line.', 'message', 'data?'),
  'run.cancel_requested': type('info', 'Somebody asked for the end of a run.'),
  'run.cancelling': type('debug', 'A run was told to end.'),
  'run.completed': type('info', 'A run reached its end.', 'target', 'durationMs'),
  'run.failed': type('error', 'A run failed.', 'target', 'durationMs', 'error'),
  'run.cancelled': type('warning', 'A run was cancelled.', 'target?', 'durationMs?', 'error'),
  'run.timed_out': type('error', 'A run took longer than it may.', 'target', 'durationMs', 'error'),
  'run.stopped': type('error', 'A run cannot go on until its code is mended; then continue it.', 'error'),
  'run.continued': type('info', 'A stopped run goes on.'),

  'step.started': type('debug', 'A step began.', 'step', 'attempt'),
  'step.completed': type('debug', 'A step is done.', 'step', 'attempt', 'durationMs'),
  'step.retrying': type(
    'warning',
    'A step failed and is tried again.',
    'step',
    'attempt',
    'durationMs',
    'error',
    'retryAtMs',
  ),
  'step.failed': type(
    'warning',
    'A step failed; its run decides what follows.',
    'step',
    'attempt',
    'durationMs',
    'error',
  ),
  'state.entered': type('debug', 'A States Language workflow entered a state.', 'state', 'scope?', 'kind'),
  'state.exited': type('debug', 'A States Language workflow left a state.', 'state', 'scope?'),
  'map.started': type('debug', 'A distributed Map began.', 'state', 'scope?'),
  'map.progress': type('debug', 'A distributed Map told how far it is.', 'state', 'scope?', 'succeeded', 'failed'),
  'map.completed': type('debug', 'A distributed Map is done.', 'state', 'scope?'),
  'map.failed': type('warning', 'A distributed Map failed.', 'state', 'scope?', 'error'),
  'state.retrying': type(
    'warning',
    'A state failed and is tried again.',
    'state',
    'scope?',
    'error',
    'retryCount',
    'atMs',
  ),
  'timer.started': type('debug', 'A run sleeps.', 'timer', 'dueMs'),
  'timer.fired': type('debug', 'A run woke up.', 'timer'),
  'signal.waiting': type('info', 'A run waits for a signal: an approval, an answer.', 'signal', 'dueMs?'),
  'signal.sent': type('debug', 'A signal was sent to a run.', 'signal'),
  'signal.received': type('info', 'A run took up the signal that it waited for.', 'signal'),
  'signal.timed_out': type('warning', 'No signal came in time.', 'signal'),

  'task.scheduled': ofTask('debug', 'A task has a later time.', 'runAtMs', 'traceId?'),
  'task.queued': ofTask('debug', 'A task waits for an executor.', 'traceId?'),
  'task.started': ofTask('debug', 'An attempt began.', 'attempt', 'traceId?'),
  'task.progress': ofTask('debug', 'An attempt told how far it is.', 'progress'),
  'task.waiting': ofTask('debug', 'A task waits for the answer with its token.', 'attempt?', 'traceId?'),
  'task.completed': ofTask('debug', 'A task is done.', 'attempt', 'durationMs'),
  'task.retrying': ofTask(
    'warning',
    'An attempt failed; another one follows.',
    'attempt',
    'durationMs',
    'retryAtMs',
    'error',
  ),
  'task.requeued': ofTask('warning', 'An attempt was lost with its process; another one follows.', 'attempt', 'error'),
  'task.failed': ofTask(
    'warning',
    'A task of a run failed; its run decides what follows.',
    'attempt',
    'durationMs',
    'reason',
    'error',
  ),
  'task.dead': ofTask('error', 'A task is a dead letter.', 'attempt', 'durationMs', 'reason', 'error'),
  'task.cancelled': ofTask('info', 'A task was cancelled.', 'error?'),
  'task.retried': ofTask('info', 'Somebody had a task tried again.'),
  'task.redriven': ofTask('info', 'A dead letter was started again.'),
  'task.discarded': ofTask('info', 'A dead letter was laid aside.'),

  'agent.created': type('info', 'An agent was made.', 'name', 'version'),
  'agent.versioned': type('info', 'An agent has a new version.', 'name', 'version'),
  'agent.activated': type('info', 'An agent takes runs.', 'name', 'version'),
  'agent.paused': type('warning', 'An agent takes no new runs for now.', 'name', 'version'),
  'agent.resumed': type('info', 'An agent takes runs again.', 'name', 'version'),
  'agent.draining': type('info', 'An agent finishes what it has.', 'name', 'version'),
  'agent.budget_exceeded': type(
    'warning',
    'A run of an agent ends, for a budget is used up.',
    'name',
    'budget',
    'used',
    'limit',
  ),
  'agent.archived': type('info', 'An agent was archived.', 'name', 'version'),
  'skill.created': type('info', 'A skill was made.', 'skillId', 'name', 'kind', 'version'),
  'skill.versioned': type('info', 'A skill has a new version.', 'skillId', 'name', 'kind', 'version'),
  'skill.restored': type('info', 'An archived skill is in use again.', 'skillId', 'name', 'kind', 'version'),
  'skill.archived': type('info', 'A skill was archived.', 'skillId', 'name', 'kind', 'version'),
  'workflow.created': type('info', 'A workflow was made.', 'name', 'version'),
  'workflow.versioned': type('info', 'A workflow has a new version.', 'name', 'version'),
  'workflow.archived': type('info', 'A workflow was archived.', 'name', 'version'),

  'schedule.created': ofSchedule('info', 'A schedule was made.'),
  'schedule.updated': ofSchedule('info', 'A schedule was changed.'),
  'schedule.paused': ofSchedule('warning', 'A schedule fires no more until it is resumed.', 'reason?'),
  'schedule.resumed': ofSchedule('info', 'A schedule fires again.'),
  'schedule.ended': ofSchedule('info', 'A schedule has no more times to come.'),
  'schedule.deleted': ofSchedule('info', 'A schedule was deleted.'),
  'schedule.fired': ofSchedule(
    'debug',
    'A schedule started what it is for; `latenessMs` says how late.',
    'plannedAtMs',
    'cause',
    'latenessMs',
    'runId?',
    'taskId?',
  ),
  'schedule.late': ofSchedule(
    'warning',
    'A schedule started what it is for much later than it was due.',
    'plannedAtMs',
    'cause',
    'latenessMs',
    'runId?',
    'taskId?',
  ),
  'schedule.not_started': ofSchedule('error', 'A schedule could not start what it is for.', 'plannedAtMs', 'error'),
  'schedule.skipped': ofSchedule(
    'warning',
    'Times of a schedule passed without a fire.',
    'reason',
    'plannedAtMs',
    'untilMs?',
    'count?',
  ),
  'schedule.failing': ofSchedule(
    'error',
    'What a schedule starts fails again and again.',
    'failures',
    'paused',
    'error',
    'runId?',
    'taskId?',
  ),

  'system.shard_down': type(
    'error',
    'A database was away and is back; told afterwards, for while it is away it takes no event.',
    'shard',
    'fromMs',
    'untilMs',
  ),
  'partition.paused': type('warning', 'The operator paused a queue of all tenants.', 'partition'),
  'partition.resumed': type('info', 'A queue of all tenants goes on.', 'partition'),
  'tenant.paused': type('warning', 'Work of the tenant does not begin for now.', 'partition?'),
  'tenant.resumed': type('info', 'Work of the tenant begins again.', 'partition?'),
  'tenant.created': type('info', 'A tenant was made.', 'name'),
  'tenant.limits_changed': type('info', 'The operator has set what the tenant may use.', 'limits'),
  'project.created': type('info', 'A project was made.', 'name'),
  'key.created': type('info', 'An API key was made.', 'keyId', 'name', 'role', 'scopes'),
  'key.rotated': type('info', 'An API key has another secret.', 'keyId', 'name', 'previousUntilMs'),
  'key.revoked': type('info', 'An API key counts no more.', 'keyId', 'name'),
  'member.created': type('info', 'A person was invited.', 'memberId', 'email', 'role'),
  'member.changed': type('info', 'A member has another role, name or status.', 'memberId', 'email', 'role'),
  'member.removed': type('info', 'A member was removed.', 'memberId', 'email', 'role'),
  'member.signed_in': type('info', 'A member signed in to the console.', 'memberId', 'email', 'role'),
  'member.signed_out': type('info', 'A member signed out.', 'memberId', 'email', 'role'),

  'secret.created': type('info', 'A secret was stored.', 'name', 'version'),
  'secret.changed': type('info', 'A secret has another value.', 'name', 'version'),
  'secret.deleted': type('info', 'A secret was removed.', 'name', 'version'),

  'channel.created': type('info', 'A notification channel was made.', 'channelId', 'name', 'kind'),
  'channel.changed': type('info', 'A notification channel was changed.', 'channelId', 'name', 'kind'),
  'channel.rotated': type('info', 'A channel signs with a new secret.', 'channelId', 'name', 'kind'),
  'channel.enabled': type('info', 'A channel is in use again.', 'channelId', 'name', 'kind'),
  'channel.disabled': type('error', 'A channel is out of use.', 'channelId', 'name', 'kind', 'reason'),
  'channel.deleted': type('info', 'A channel was deleted.', 'channelId', 'name', 'kind'),
  'subscription.created': type('info', 'A subscription was made.', 'subscriptionId', 'channelId', 'types'),
  'subscription.deleted': type('info', 'A subscription was deleted.', 'subscriptionId', 'channelId', 'types'),
  'template.created': type('info', 'A template of messages was made.', 'templateId', 'name'),
  'template.changed': type('info', 'A template of messages was changed.', 'templateId', 'name'),
  'template.deleted': type('info', 'A template of messages was deleted.', 'templateId', 'name'),
  'preferences.changed': type('info', 'A member wants to be told in another way.', 'memberId'),
  'notification.test': type('info', 'Somebody tries a channel; sent to that channel alone.', 'text'),
  'notification.digest': type('info', 'Several events told together.', 'count', 'items'),
  'inbox.added': type('debug', 'The inbox has new items; for live readers of it alone.', 'itemIds'),
  'inbox.read': type('debug', 'An item was read; for live readers of the inbox alone.', 'itemIds'),
  'inbox.unread': type('debug', 'An item is unread again; for live readers of the inbox alone.', 'itemIds'),
  'inbox.all_read': type('debug', 'All items were read; for live readers of the inbox alone.', 'count'),
} as const satisfies Readonly<Record<string, EventType>>

const TYPES: ReadonlyMap<string, EventType> = new Map(Object.entries(CATALOGUE))

/** Of a type that the catalogue does not have, nothing is known: it may matter. */
export const severityOf = (eventType: string): Severity => TYPES.get(eventType)?.severity ?? 'info'
export const tellsOf = (eventType: string): string => TYPES.get(eventType)?.tells ?? 'Something happened.'
/** Of its data, as JSON Schema 2020-12. */
export const schemaOf = (eventType: string): JsonSchema => schemaOfFields(TYPES.get(eventType)?.data ?? [])
/** Data as an event of the type may have it, for previews. */
export const sampleOf = (eventType: string): { [key: string]: Json } => sampleOfFields(TYPES.get(eventType)?.data ?? [])
export const isAtLeast = (severity: Severity, least: Severity): boolean =>
  SEVERITIES.indexOf(severity) >= SEVERITIES.indexOf(least)

/** Whether a pattern of a subscription covers a type: `*` stands for any letters, so `run.*`, `*.failed` and `*` work. */
export const compilePattern = (pattern: string): ((eventType: string) => boolean) => {
  const parts = pattern.split('*').map((part) => part.replaceAll('.', '\\.'))
  const regex = new RegExp(`^${parts.join('[a-z_.]*')}$`)
  return (eventType) => regex.test(eventType)
}

export const isPattern = (text: string): boolean => /^[a-z_.*]{1,100}$/.test(text) && !/\*.*\*.*\*/.test(text)

/** The types that a pattern covers today. */
export const covered = (pattern: string): string[] => [...TYPES.keys()].filter(compilePattern(pattern))
