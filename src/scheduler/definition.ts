/** A schedule as its owner writes it: the schema of a request, and the definition it stands for. */
import { z } from 'zod'
import { type Duration, parseDuration } from '../engine/index.ts'
import type { Finding } from '../platform/errors.ts'
import {
  durationSchema,
  jsonSchema,
  nameSchema,
  priorityName,
  priorityOf,
  prioritySchema,
  timeSchema,
  toTime,
  toTimeOrNull,
} from '../platform/http/views.ts'
import { invalidSchedule } from './errors.ts'
import { compileTemplate } from './template.ts'
import { cronProblem, timeZoneProblem } from './timing.ts'
import { MISSED, OVERLAPS, type ScheduleDefinition, type Target, type Timing } from './types.ts'

const timingSchema = z
  .union([
    z.strictObject({
      cron: z.string().min(1).max(200).describe('Five fields, six with seconds first, or a nickname such as @daily.'),
      timeZone: z.string().min(1).max(100).default('UTC').describe('IANA name, such as Europe/Berlin.'),
    }),
    z.strictObject({
      every: durationSchema,
      anchor: timeSchema.optional().describe('The first time; default: `startAt`, or the moment it is made.'),
    }),
    z.strictObject({ at: timeSchema }),
  ])
  .describe('`{ cron, timeZone? }`, `{ every, anchor? }` or `{ at }`.')

const version = z.number().int().min(1).optional().describe('Default: the latest at the time of the fire.')
const targetSchema = z.union([
  z.strictObject({ workflow: nameSchema, version }),
  z.strictObject({ agent: nameSchema, version }),
  z.strictObject({ task: z.string().min(1).max(300).describe('The kind of the task.') }),
])

export const overlapSchema = z.enum(OVERLAPS)

const definitionFields = {
  timing: timingSchema,
  target: targetSchema,
  input: jsonSchema
    .default(null)
    .describe('Texts of the form {% … %} are JSONata over $fire: plannedAt, plannedAtMs, schedule, cause, key.'),
  startAt: timeSchema.nullable().default(null).describe('No fire before it.'),
  endAt: timeSchema.nullable().default(null).describe('No fire at it or later.'),
  maxFires: z.number().int().min(1).nullable().default(null),
  jitter: durationSchema.default(0).describe('A fire is due up to so long after its planned time. At most 1 hour.'),
  overlap: overlapSchema.default('skip').describe('What happens while what an earlier fire started still goes on.'),
  missed: z.enum(MISSED).default('fire-once').describe('What happens to times that passed while nothing could fire.'),
  catchUp: durationSchema.default('1 day').describe('Missed times older than this are skipped. At least 10 seconds.'),
  failing: z
    .strictObject({
      after: z.number().int().min(1).max(1000).default(3),
      pause: z.boolean().default(false),
    })
    .default({ after: 3, pause: false })
    .describe('After so many failures in a row an event tells of it, and the schedule is paused if asked.'),
  priority: prioritySchema.default('normal'),
  timeout: durationSchema.nullable().default(null).describe('Limit of the run, or deadline of the task.'),
}

export const definitionSchema = z.strictObject(definitionFields)
export const newScheduleSchema = z.strictObject({ name: nameSchema, ...definitionFields })
/** As it may be written, with all that has a default left out. */
export type NewSchedule = z.input<typeof newScheduleSchema>
export type DefinitionInput = z.input<typeof definitionSchema>
type DefinitionBody = z.output<typeof definitionSchema>

const LEAST_EVERY_MS = 1000
const LONGEST_MS = 366 * 86_400_000 * 10

/** Collects what is wrong instead of stopping at the first. */
const makeReader = () => {
  const findings: Finding[] = []
  return {
    findings,
    duration(path: string, given: Duration, leastMs: number, mostMs = LONGEST_MS): number {
      const expected = `a duration of ${leastMs} to ${mostMs} ms`
      try {
        const ms = parseDuration(given)
        if (Number.isInteger(ms) && ms >= leastMs && ms <= mostMs) return ms
      } catch {
        // Told below, with what would be right.
      }
      findings.push({ path, message: `must be ${expected}`, given, expected })
      return leastMs
    },
    check(path: string, problem: string | undefined, given: unknown): void {
      if (problem !== undefined) findings.push({ path, message: problem, given })
    },
  }
}

type Reader = ReturnType<typeof makeReader>

const readTiming = (body: DefinitionBody, reader: Reader, nowMs: number, previous: Timing | undefined): Timing => {
  const { timing } = body
  if ('at' in timing) return { kind: 'at', atMs: Date.parse(timing.at) }
  if ('cron' in timing) {
    const cron = { kind: 'cron', expression: timing.cron, timeZone: timing.timeZone } as const
    const zoneProblem = timeZoneProblem(cron.timeZone)
    reader.check('timing.timeZone', zoneProblem, cron.timeZone)
    if (zoneProblem === undefined) reader.check('timing.cron', cronProblem(cron), cron.expression)
    return cron
  }
  const everyMs = reader.duration('timing.every', timing.every, LEAST_EVERY_MS)
  const given = timing.anchor ?? body.startAt
  if (given !== null && given !== undefined) return { kind: 'every', everyMs, anchorMs: Date.parse(given) }
  // An interval that stays the same keeps its beat.
  const isSame = previous?.kind === 'every' && previous.everyMs === everyMs
  return { kind: 'every', everyMs, anchorMs: isSame ? previous.anchorMs : nowMs }
}

const readTarget = (target: DefinitionBody['target']): Target => {
  if ('task' in target) return { kind: 'task', name: target.task, version: null }
  const version = target.version ?? null
  return 'workflow' in target
    ? { kind: 'workflow', name: target.workflow, version }
    : { kind: 'agent', name: target.agent, version }
}

const msOrNull = (time: string | null): number | null => (time === null ? null : Date.parse(time))

/** Throws `schedule_invalid` with a finding for each thing that is wrong. */
export const readDefinition = (input: unknown, nowMs: number, previous?: ScheduleDefinition): ScheduleDefinition => {
  const parsed = definitionSchema.safeParse(input)
  if (!parsed.success) {
    const findings = parsed.error.issues.map(({ path, message }) => ({ path: path.map(String).join('.'), message }))
    throw invalidSchedule('the schedule is not valid', findings)
  }
  const body = parsed.data
  const reader = makeReader()
  const definition: ScheduleDefinition = {
    timing: readTiming(body, reader, nowMs, previous?.timing),
    target: readTarget(body.target),
    input: body.input,
    options: {
      startAtMs: msOrNull(body.startAt),
      endAtMs: msOrNull(body.endAt),
      maxFires: body.maxFires,
      jitterMs: reader.duration('jitter', body.jitter, 0, 3_600_000),
      overlap: body.overlap,
      missed: body.missed,
      catchUpMs: reader.duration('catchUp', body.catchUp, 10_000),
      failing: body.failing,
      priority: priorityOf(body.priority),
      timeoutMs: body.timeout === null ? null : reader.duration('timeout', body.timeout, 1),
    },
  }
  if (reader.findings.length > 0) {
    throw invalidSchedule('the schedule is not valid', reader.findings)
  }
  compileTemplate(definition.input)
  return definition
}

const timingView = (timing: Timing) => {
  if (timing.kind === 'at') return { at: toTime(timing.atMs) }
  if (timing.kind === 'every') return { every: timing.everyMs, anchor: toTime(timing.anchorMs) }
  return { cron: timing.expression, timeZone: timing.timeZone }
}

const targetView = ({ kind, name, version }: Target) => ({ [kind]: name, ...(version === null ? {} : { version }) })

/** The definition in the words of a request, so that what was read can be sent back. */
export const definitionView = ({ timing, target, input, options }: ScheduleDefinition) => ({
  timing: timingView(timing),
  target: targetView(target),
  input,
  startAt: toTimeOrNull(options.startAtMs),
  endAt: toTimeOrNull(options.endAtMs),
  maxFires: options.maxFires,
  jitter: options.jitterMs,
  overlap: options.overlap,
  missed: options.missed,
  catchUp: options.catchUpMs,
  failing: options.failing,
  priority: priorityName(options.priority),
  timeout: options.timeoutMs,
})
