/** Tries one state with a given input, and tells what each stage of its data flow gave. */
import type { Json, JsonObject } from '../../platform/json.ts'
import { errorOutput, findCatcher } from '../catch.ts'
import { compileState } from '../compile.ts'
import { AslError, asAslError, EngineError, nameCovers, STATES } from '../errors.ts'
import { type Finding, inServiceForm } from '../finding.ts'
import type { AslHost } from '../host.ts'
import { parseItems } from '../items/item-parser.ts'
import { defaultRunLimits } from '../limits.ts'
import { nameAndCause } from '../name-and-cause.ts'
import type { QueryLanguage } from '../query/focus.ts'
import { plainDelayMs } from '../retry.ts'
import { makeRunState } from '../run-state.ts'
import { makeScope } from '../scope.ts'
import type { Exit } from '../states/exit.ts'
import type { State } from '../states/state.ts'
import { validate } from '../validate/validate.ts'
import { isObject } from '../values.ts'
import { makeVisit, type Stage, timestamp, type Visit } from '../visit.ts'
import {
  checkRequest,
  innerMachines,
  RequestRejected,
  rejected,
  type StateMock,
  type StateTest,
  type StateTestResult,
} from './request.ts'

/** The name that a state has in its context object when it came without one. */
const NAMELESS = 'StateName'

/** Never rejects: what is wrong with the request or the state is in the answer. */
export const testState = async (test: StateTest): Promise<StateTestResult> => {
  const found = findState(test)
  if ('status' in found) return found
  const { name, definition, language, map } = found
  const refusal = checkDefinition(name, definition, language) ?? checkRequest(definition, test)
  if (refusal) return refusal
  const state = compileState(name, definition, language, '')
  const stages: JsonObject = { input: test.input ?? {} }
  const visit = makeTestVisit(state, { definition, map }, test, stages)
  const answer = await tryState(state, visit, test)
  if (answer.status === 'REJECTED') return answer
  const { assigned, errorDetails, ...result } = answer
  if ((test.inspectionLevel ?? 'INFO') === 'INFO') return result
  if (errorDetails) stages.errorDetails = errorDetails
  if (test.variables || assigned) stages.variables = { ...test.variables, ...assigned }
  return { ...result, inspectionData: stages }
}

interface FoundState {
  readonly name: string
  readonly definition: JsonObject
  readonly language: QueryLanguage
  /** The Map around it, if it is part of one. */
  readonly map?: JsonObject | undefined
}

const findState = ({ definition, stateName }: StateTest): FoundState | StateTestResult => {
  if (stateName === undefined) return { name: NAMELESS, definition, language: 'JSONPath' }
  const { ok, findings } = validate(definition)
  if (!ok) return invalid(findings)
  const state = searchState(
    definition,
    stateName,
    (definition.QueryLanguage as QueryLanguage | undefined) ?? 'JSONPath',
  )
  return state ?? rejected('ValidationException', 'State not found in definition')
}

/** The state may be inside a branch or an item processor. */
const searchState = (
  machine: JsonObject,
  name: string,
  outer: QueryLanguage,
  map?: JsonObject,
): FoundState | undefined => {
  const states = machine.States as Record<string, JsonObject>
  if (Object.hasOwn(states, name)) return { name, definition: states[name]!, language: outer, map }
  for (const state of Object.values(states)) {
    for (const machine of innerMachines(state)) {
      const found = searchState(machine, name, outer, state.Type === 'Map' ? state : map)
      if (found) return found
    }
  }
  return undefined
}

const invalid = (findings: readonly Finding[]): StateTestResult => {
  const errors = findings.filter(({ severity }) => severity === 'error')
  return rejected('InvalidDefinition', `Invalid State Machine Definition: '${errors.map(inServiceForm).join(', ')}'`)
}

/** What a state by itself cannot be held to: where it leads, and that nothing inside it has the name that it was given here. */
const OF_WHOLE_MACHINES = ['MISSING_TRANSITION_TARGET', 'MISSING_END_STATE', 'DUPLICATE_STATE_NAME']

const checkDefinition = (name: string, state: JsonObject, language: QueryLanguage): StateTestResult | undefined => {
  const { findings } = validate({ StartAt: name, QueryLanguage: language, States: { [name]: state } })
  const problems = findings.filter(({ severity, code }) => severity === 'error' && !OF_WHOLE_MACHINES.includes(code))
  return problems.length > 0 ? invalid(problems) : undefined
}

const makeTestVisit = (
  state: State,
  { definition, map }: Pick<FoundState, 'definition' | 'map'>,
  test: StateTest,
  stages: JsonObject,
): Visit => {
  const input = test.input ?? {}
  const host = makeTestHost(test, (items) => {
    stages.afterItemsPointer = items
  })
  const run = makeRunState({
    host,
    limits: defaultRunLimits,
    context: test.context ?? makeContext(state.name, input, host),
  })
  // A state within a Map sees itself as the first iteration, with the input for its item.
  const scope = makeScope({ path: '', mapContext: map && { Item: { Index: 0, Value: input } } })
  if (test.variables) scope.assign(test.variables)
  const visit = makeVisit({
    ...{ run, scope, state: state.name, input, needsEnteredTime: false },
    retries: state.type === 'Task' || state.type === 'Parallel' || state.type === 'Map',
    inspect: (stage, value) => {
      if (isShown(stage, state, definition)) stages[stage] = value
    },
    ...(test.mock ? { substitute: (items) => takeMock(test.mock!, state, test, items) } : {}),
  })
  visit.retryCount = test.stateConfiguration?.retrierRetryCount ?? 0
  if (test.context) visit.context = () => test.context!
  return visit
}

/** The service leaves out the stages that a state does not go through by itself. */
const isShown = (stage: Stage, state: State, definition: JsonObject): boolean => {
  if (state.type === 'Task') return true
  if (stage === 'result') return definition.Result !== undefined
  if (state.type === 'Parallel') return stage === 'afterResultSelector' || stage === 'afterResultPath'
  if (state.type === 'Pass' || state.type === 'Map') return stage !== 'afterParameters' || state.type === 'Pass'
  return stage === 'afterInputPath'
}

const makeTestHost = (test: StateTest, onPointer: (items: Json[]) => void): AslHost => {
  const { host, mock, stateConfiguration, context } = test
  const token = isObject(context?.Task) ? context.Task.Token : undefined
  return {
    now: () => host?.now?.() ?? 0,
    random: () => host?.random?.() ?? 0,
    uuid: () => host?.uuid?.() ?? '00000000-0000-4000-8000-000000000000',
    // A wait is tried for its data, not for its length.
    sleepUntil: async () => undefined,
    ...(typeof token === 'string' ? { taskToken: () => token } : {}),
    async task(request) {
      if (mock) return mocked(mock)
      if (host?.task) return host.task(request)
      throw new AslError(STATES.taskFailed, 'Nothing here can do the task: give a mock.')
    },
    async openItems({ config }) {
      const items = parseItems(stateConfiguration?.mapItemReaderData ?? '[]', config)
      if (config.ItemsPointer !== undefined) onPointer(items)
      return { count: items.length, page: async (offset, limit) => items.slice(offset, offset + limit) }
    },
  }
}

const mocked = (mock: StateMock): Json => {
  if (mock.errorOutput) throw new AslError(mock.errorOutput.error, mock.errorOutput.cause)
  // There is one, `checkRequest` has seen to that, and `null` is one too.
  return mock.result!
}

/** What a Map or Parallel gives when everything inside it is mocked. */
const takeMock = (
  mock: StateMock,
  state: State,
  test: StateTest,
  items = Number.POSITIVE_INFINITY,
): { result: Json; failures: number } => {
  const failures = state.type === 'Map' ? (test.stateConfiguration?.mapIterationFailureCount ?? 0) : 0
  if (failures > items) throw new RequestRejected(`${failures} iterations cannot fail where there are ${items} items`)
  const result = mocked(mock)
  return { result, failures }
}

const makeContext = (name: string, input: Json, host: AslHost): JsonObject => ({
  Execution: {
    Id: `run:${host.uuid()}`,
    Input: input,
    Name: host.uuid(),
    RoleArn: 'role:none',
    StartTime: timestamp(host.now()),
  },
  StateMachine: { Id: `workflow:${name}`, Name: name },
})

type Answer = StateTestResult & { readonly assigned?: JsonObject | undefined; readonly errorDetails?: JsonObject }

const tryState = async (state: State, visit: Visit, test: StateTest): Promise<Answer> => {
  try {
    return succeeded(await state.execute(visit), 'SUCCEEDED')
  } catch (thrown) {
    if (thrown instanceof RequestRejected) return rejected('ValidationException', thrown.message)
    const raw = asAslError(thrown)
    const error = raw instanceof EngineError ? raw.at(state.name, 0) : raw
    return settle(state, visit, error, test.stateConfiguration?.retrierRetryCount ?? 0)
  }
}

const succeeded = ({ output, assigned, next }: Exit, status: 'SUCCEEDED' | 'CAUGHT_ERROR'): Answer => ({
  status,
  output,
  assigned,
  ...(next === undefined ? {} : { nextState: next }),
})

const settle = async (state: State, visit: Visit, error: AslError, retries: number): Promise<Answer> => {
  const about = nameAndCause(error)
  const retryIndex = state.retriers.findIndex((one) => one.errorEquals.some((name) => nameCovers(name, error)))
  const retrier = state.retriers[retryIndex]
  if (retrier && retries < retrier.maxAttempts) {
    // The service tells whole seconds.
    const retryBackoffIntervalSeconds = Math.floor(plainDelayMs(retrier, retries + 1) / 1000)
    return { status: 'RETRIABLE', ...about, errorDetails: { retryBackoffIntervalSeconds, retryIndex } }
  }
  const usedUp = retrier ? { retryIndex } : undefined
  const catcher = findCatcher(state.catchers, error)
  if (!catcher) return { status: 'FAILED', ...about, ...(usedUp ? { errorDetails: usedUp } : {}) }
  const errorDetails = { ...usedUp, catchIndex: state.catchers.indexOf(catcher) }
  try {
    return { ...succeeded(await catcher.exit(visit, errorOutput(error)), 'CAUGHT_ERROR'), ...about, errorDetails }
  } catch (thrown) {
    return { status: 'FAILED', ...nameAndCause(asAslError(thrown)), errorDetails }
  }
}
