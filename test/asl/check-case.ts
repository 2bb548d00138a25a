/** Plays one case and says whether the interpreter gave what was recorded. */

import type { StateTest } from '../../src/asl/index.ts'
import {
  compile,
  InvalidDefinition,
  parseDefinition,
  run,
  testState,
  validate,
  variableReferences,
} from '../../src/asl/index.ts'
import type { Json, JsonObject } from '../../src/platform/json.ts'
import type { Case } from './case.ts'
import { compareHistory } from './history.ts'
import { type Matcher, makeMatcher, show } from './matcher.ts'
import { makePlayback } from './playback.ts'
import { makeVirtualClock } from './virtual-clock.ts'

export interface Verdict {
  readonly outcome: 'passed' | 'failed' | 'skipped'
  /** What differed, or why it was skipped. */
  readonly why?: string
  /** Whether texts in the service's own words are the same; `undefined` where there is none. */
  readonly wording?: boolean
}

export const checkCase = async (oneCase: Case): Promise<Verdict> => {
  if (oneCase.hints?.includes('aws-api-model')) {
    return { outcome: 'skipped', why: "checks a mock against the models of the service's own APIs" }
  }
  switch (oneCase.kind) {
    case 'run':
      return checkRun(oneCase)
    case 'create-error':
    case 'create-ok':
      return checkCreate(oneCase)
    case 'validate':
      return checkValidate(oneCase)
    case 'test-state':
      return checkStateTest(oneCase)
  }
}

const passed = (wording?: boolean): Verdict => ({ outcome: 'passed', ...(wording === undefined ? {} : { wording }) })
const failed = (why: string): Verdict => ({ outcome: 'failed', why })

const DEFAULT_START = '2024-01-01T00:00:00Z'

const checkRun = async (oneCase: Case): Promise<Verdict> => {
  const matcher = makeMatcher(oneCase)
  const clock = makeVirtualClock(Date.parse(oneCase.clock ?? DEFAULT_START))
  const playback = makePlayback(oneCase, matcher, clock)
  const parsed = parseDefinition(oneCase.definition)
  if (!parsed.ok) return failed(`the definition was refused: ${parsed.findings[0]?.message}`)
  const stop = new AbortController()
  try {
    const input = oneCase.input ?? {}
    const work = run(compile(parsed.definition), {
      input,
      host: playback.host,
      context: contextOf(clock.now()),
      signal: stop.signal,
    })
    const onIdle = oneCase.stop ? () => stop.abort() : undefined
    const result = await clock.drive(work, onIdle)
    if (!result) return unanswered(oneCase, playback.missing())
    return compareRun(oneCase, result as unknown as JsonObject, matcher, playback.transitions)
  } catch (error) {
    return failed(
      error instanceof InvalidDefinition ? `the definition was refused: ${error.message}` : `threw ${String(error)}`,
    )
  }
}

/** Where no answers were recorded, a task that nothing stands in for says nothing about the language. */
const unanswered = ({ hints }: Case, state = '?'): Verdict => {
  const why = `nobody answers the task ${state}`
  return hints?.includes('no-recorded-answers') ? { outcome: 'skipped', why } : failed(why)
}

const contextOf = (nowMs: number): { Execution: JsonObject; StateMachine: JsonObject } => {
  const arn = 'arn:aws:states:us-east-1:111111111111'
  return {
    Execution: {
      Id: `${arn}:execution:machine-name:name`,
      Name: 'name',
      RoleArn: 'arn:aws:iam::111111111111:role/role',
      StartTime: new Date(nowMs).toISOString(),
      RedriveCount: 0,
    },
    StateMachine: { Id: `${arn}:stateMachine:machine-name`, Name: 'machine-name' },
  }
}

const compareRun = (
  oneCase: Case,
  result: JsonObject,
  matcher: Matcher,
  transitions: Parameters<typeof compareHistory>[1],
): Verdict => {
  const { expected } = oneCase
  if (result.status !== expected.status) {
    return failed(`status: expected ${expected.status}, got ${show(result)}`)
  }
  // Of a time-out the service's history tells the name, and its description of the execution does not. Of a stop, who stopped it.
  const isTold = expected.status !== 'ABORTED' && (expected.status !== 'TIMED_OUT' || expected.error !== undefined)
  if (isTold && result.error !== expected.error)
    return failed(`error: expected ${show(expected.error)}, got ${show(result.error)}`)
  const output = expected.outputMasked ? undefined : matcher.difference(expected.output, result.output)
  if (output !== undefined) return failed(`output ${output}`)
  const cause = expected.status === 'ABORTED' ? undefined : compareCause(expected.cause, result.cause, matcher)
  const isOwnWording = oneCase.causeFrom === 'engine'
  if (cause !== undefined && !isOwnWording) return failed(`cause ${cause}`)
  const history = oneCase.history ? compareHistory(oneCase.history, transitions, matcher) : undefined
  if (history !== undefined) return failed(`history of ${history}`)
  return passed(isOwnWording ? cause === undefined : undefined)
}

/** A cause recorded as an object was the JSON text of one; numbers of events say nothing. */
const compareCause = (expected: Json | undefined, actual: Json | undefined, matcher: Matcher): string | undefined => {
  if (expected !== undefined && typeof expected !== 'string' && typeof actual === 'string') {
    try {
      return matcher.difference(expected, JSON.parse(actual) as Json)
    } catch {
      return `expected the text of an object, got ${show(actual)}`
    }
  }
  return matcher.difference(withoutNumbers(expected), withoutNumbers(actual))
}

const withoutNumbers = (text: Json | undefined): Json | undefined =>
  typeof text === 'string' ? text.replace(/\(entered at the event id #\d+\)/g, '(entered)') : text

const checkCreate = (oneCase: Case): Verdict => {
  const parsed = parseDefinition(oneCase.definition)
  const findings = parsed.ok ? validate(parsed.definition, typeOf(oneCase)).findings : parsed.findings
  const isRefused = findings.some((finding) => finding.severity === 'error')
  if (isRefused !== (oneCase.expected.status === 'REJECTED')) {
    return failed(isRefused ? `was refused: ${findings[0]?.message}` : 'was accepted')
  }
  if (isRefused) return passed(findings.some((finding) => String(oneCase.expected.cause).includes(finding.message)))
  const { variableReferences: references } = oneCase.expected
  if (references === undefined || !parsed.ok) return passed()
  const difference = makeMatcher(oneCase).difference(references, variableReferences(parsed.definition))
  return difference === undefined ? passed() : failed(`variable references ${difference}`)
}

const typeOf = ({ type }: Case): { type: 'STANDARD' | 'EXPRESS' } => ({ type: type ?? 'STANDARD' })

const checkValidate = (oneCase: Case): Verdict => {
  const parsed = parseDefinition(oneCase.definition)
  const findings = parsed.ok ? validate(parsed.definition, typeOf(oneCase)).findings : parsed.findings
  const errors = findings.filter((finding) => finding.severity === 'error')
  const status = errors.length === 0 ? 'OK' : 'FAIL'
  if (status !== oneCase.expected.status)
    return failed(`expected ${oneCase.expected.status}, got ${status} ${errors[0]?.message ?? ''}`)
  const diagnostics = oneCase.expected.diagnostics as JsonObject[]
  if (status === 'OK') return passed()
  return passed(diagnostics.every(({ message }) => errors.some((finding) => finding.message === message)))
}

const checkStateTest = async (oneCase: Case): Promise<Verdict> => {
  const matcher = makeMatcher(oneCase)
  const clock = makeVirtualClock(Date.parse(oneCase.clock ?? DEFAULT_START))
  const { host } = makePlayback(oneCase, matcher, clock)
  const definition = oneCase.definition as JsonObject
  const request = { ...oneCase.request, definition, host } as unknown as StateTest
  const work = testState(oneCase.input === undefined ? request : { ...request, input: oneCase.input })
  const result = await clock.drive(work)
  if (!result) return unanswered(oneCase)
  const { expected } = oneCase
  if (result.status !== expected.status)
    return failed(`expected ${expected.status}, got ${show(result as unknown as JsonObject)}`)
  if (expected.status === 'REJECTED') {
    if (result.error !== expected.error) return failed(`expected ${show(expected.error)}, got ${show(result.error)}`)
    return passed(matcher.difference(expected.cause, result.cause) === undefined)
  }
  const difference = matcher.difference(expected, result as unknown as JsonObject)
  return difference === undefined ? passed() : failed(difference)
}
