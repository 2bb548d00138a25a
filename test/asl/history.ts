/** Compares a run's transitions with a recorded history: per state, since Map and Parallel leave the overall order open. */
import type { Transition } from '../../src/asl/index.ts'
import type { Json, JsonObject } from '../../src/platform/json.ts'
import type { HistoryEvent } from './case.ts'
import type { Matcher } from './matcher.ts'

/** One thing that happened, in the words that both sides share. */
interface Moment {
  /** The state it belongs to; '' for the run itself. */
  readonly state: string
  readonly kind: string
  readonly data: JsonObject
}

/** Where they differ first, or `undefined`. */
export const compareHistory = (
  recorded: readonly HistoryEvent[],
  transitions: readonly Transition[],
  matcher: Matcher,
): string | undefined => {
  // Events that lost their number were masked as a whole; what is left is only a part.
  const isPartial = recorded.some((event) => event.id === undefined || event.type.endsWith('Aborted'))
  const expected = momentsOf(recorded)
  const actual = transitions.map(momentOf).filter((moment) => moment !== undefined)
  const isBranching = recorded.some(
    (event) => event.type.startsWith('MapStateStarted') || event.type.startsWith('ParallelStateStarted'),
  )
  const anyOrder = isBranching || isPartial
  const groups = anyOrder ? groupByState(expected, actual) : [{ name: 'the run', expected, actual }]
  for (const { name, expected: left, actual: right } of groups) {
    const difference = anyOrder
      ? compareAnyOrder(left, right, isPartial, matcher)
      : compareInOrder(left, right, matcher)
    if (difference !== undefined) return `${name}: ${difference}`
  }
  return undefined
}

const groupByState = (
  expected: readonly Moment[],
  actual: readonly Moment[],
): { name: string; expected: Moment[]; actual: Moment[] }[] => {
  const keyOf = (moment: Moment): string => `${moment.state} ${moment.kind}`
  const names = new Set([...expected, ...actual].map(keyOf))
  return [...names].map((name) => ({
    name,
    expected: expected.filter((moment) => keyOf(moment) === name),
    actual: actual.filter((moment) => keyOf(moment) === name),
  }))
}

const compareInOrder = (
  expected: readonly Moment[],
  actual: readonly Moment[],
  matcher: Matcher,
): string | undefined => {
  for (let i = 0; i < Math.max(expected.length, actual.length); i++) {
    const [left, right] = [expected[i], actual[i]]
    if (!left || !right) return `expected ${label(left)} as number ${i + 1}, got ${label(right)}`
    if (left.kind !== right.kind || left.state !== right.state) return `expected ${label(left)}, got ${label(right)}`
    const difference = matcher.difference(left.data, pick(right.data, left.data))
    if (difference !== undefined) return `${label(left)} ${difference}`
  }
  return undefined
}

/** Each recorded moment must find a partner of its own. */
const compareAnyOrder = (
  expected: readonly Moment[],
  actual: readonly Moment[],
  isPartial: boolean,
  matcher: Matcher,
): string | undefined => {
  const open = [...actual]
  for (const moment of expected) {
    const i = open.findIndex((other) => matcher.difference(moment.data, pick(other.data, moment.data)) === undefined)
    if (i >= 0) open.splice(i, 1)
    else if (!isPartial) {
      const nearest = open[0]
      const why = nearest && matcher.difference(moment.data, pick(nearest.data, moment.data))
      return `no partner for ${label(moment)} ${why ?? ''}`
    }
  }
  return open.length > 0 && !isPartial ? `${open.length} more than recorded` : undefined
}

const label = (moment: Moment | undefined): string => (moment ? `${moment.kind} ${moment.state}`.trim() : 'nothing')

/** Only what was recorded is compared: recordings leave out some fields of some events. */
const pick = (data: JsonObject, like: JsonObject): JsonObject =>
  Object.fromEntries(Object.entries(data).filter(([key]) => Object.hasOwn(like, key)))

/** The service's own steps of a task, and ends of iterations, say nothing about the language. */
const LEFT_OUT = /^(TaskStarted|TaskSubmitted|LambdaFunctionStarted|ActivityStarted|.*Aborted)$/

/** Here a task that could not be started, or submitted, has failed. */
const FAILURE = /^(Task|LambdaFunction|Activity)(Start|Submit)?(Failed|TimedOut)$/

/** Of these only that they happened is compared. */
const PLAIN = /^(MapRun|Execution)\w+$|^(Map|Parallel)State(Succeeded|Failed)$|^ParallelStateStarted$/

const momentsOf = (recorded: readonly HistoryEvent[]): Moment[] => {
  const stateOf = new Map<number, string>()
  const moments: Moment[] = []
  for (const event of recorded) {
    const state = event.stateName ?? stateOf.get(event.prev ?? 0) ?? ''
    if (event.id !== undefined) stateOf.set(event.id, state)
    if (LEFT_OUT.test(event.type)) continue
    const moment = recordedMoment(event, state)
    if (moment) moments.push(moment)
  }
  return moments
}

const recordedMoment = (event: HistoryEvent, state: string): Moment | undefined => {
  const { type } = event
  if (/StateEntered$/.test(type)) return { state, kind: 'entered', data: defined({ input: event.input }) }
  if (/StateExited$/.test(type)) {
    return { state, kind: 'exited', data: defined({ output: event.output, assigned: event.assignedVariables }) }
  }
  if (/^(Task|LambdaFunction|Activity)Scheduled$/.test(type)) {
    const { parameters, input, timeoutInSeconds, heartbeatInSeconds, taskCredentials } = event
    const credentials = taskCredentials as JsonObject | undefined
    return {
      state,
      kind: 'scheduled',
      data: defined({ input: parameters ?? input, timeoutInSeconds, heartbeatInSeconds, role: credentials?.roleArn }),
    }
  }
  if (/^(Task|LambdaFunction|Activity)Succeeded$/.test(type))
    return { state, kind: 'succeeded', data: defined({ output: event.output }) }
  if (FAILURE.test(type)) return { state, kind: 'failed', data: defined({ error: event.error }) }
  if (type === 'MapStateStarted') {
    // The service tells a length of 0 where a reader will give the items.
    return { state: '', kind: 'map started', data: event.length ? { length: event.length } : {} }
  }
  if (type === 'EvaluationFailed')
    return { state: '', kind: 'evaluation failed', data: defined({ error: event.error, field: event.location }) }
  if (/^MapIteration(Started|Succeeded|Failed)$/.test(type))
    return { state: '', kind: type, data: defined({ index: event.index }) }
  if (PLAIN.test(type)) return { state: '', kind: type, data: {} }
  return undefined
}

const momentOf = (transition: Transition): Moment | undefined => {
  const { type, input, output, timeoutMs, heartbeatMs } = transition
  const state = transition.state ?? ''
  if (/StateEntered$/.test(type)) return { state, kind: 'entered', data: defined({ input }) }
  if (/StateExited$/.test(type))
    return { state, kind: 'exited', data: defined({ output, assigned: transition.assigned }) }
  if (type === 'TaskScheduled') {
    const credentials = transition.credentials as JsonObject | undefined
    const data = {
      input,
      timeoutInSeconds: seconds(timeoutMs),
      heartbeatInSeconds: seconds(heartbeatMs),
      role: credentials?.RoleArn,
    }
    return { state, kind: 'scheduled', data: defined(data) }
  }
  if (type === 'TaskSucceeded') return { state, kind: 'succeeded', data: defined({ output }) }
  if (type === 'TaskFailed' || type === 'TaskTimedOut')
    return { state, kind: 'failed', data: defined({ error: transition.error }) }
  if (type === 'MapStateStarted')
    return { state: '', kind: 'map started', data: defined({ length: transition.length }) }
  if (type === 'EvaluationFailed')
    return { state: '', kind: 'evaluation failed', data: defined({ error: transition.error, field: transition.field }) }
  if (/^MapIteration/.test(type)) return { state: '', kind: type, data: defined({ index: transition.index }) }
  if (type === 'MapRunProgress') return undefined
  if (PLAIN.test(type)) return { state: '', kind: type, data: {} }
  return undefined
}

const seconds = (ms: number | undefined): number | undefined => (ms === undefined ? undefined : ms / 1000)

const defined = (fields: Readonly<Record<string, Json | undefined>>): JsonObject =>
  Object.fromEntries(Object.entries(fields).filter((entry): entry is [string, Json] => entry[1] !== undefined))
