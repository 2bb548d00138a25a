/** A host for unit tests: tasks are a function, sleeping moves the clock, everything that happened is written down. */
import {
  type AslHost,
  compile,
  type RunOptions,
  type RunResult,
  run,
  type TaskRequest,
  type Transition,
} from '../../src/asl/index.ts'
import type { Json, JsonObject } from '../../src/platform/json.ts'

export interface FakeHost extends AslHost {
  readonly requests: TaskRequest[]
  readonly sleeps: { key: string; atMs: number }[]
  readonly transitions: Transition[]
}

export const START_MS = Date.UTC(2026, 0, 1)

export const makeFakeHost = (task: (request: TaskRequest) => Json | Promise<Json> = ({ input }) => input): FakeHost => {
  let nowMs = START_MS
  let uuids = 0
  const requests: TaskRequest[] = []
  const sleeps: { key: string; atMs: number }[] = []
  const transitions: Transition[] = []
  return {
    requests,
    sleeps,
    transitions,
    now: () => nowMs,
    random: () => 0.5,
    uuid: () => `uuid-${++uuids}`,
    async task(request) {
      requests.push(request)
      return task(request)
    },
    async sleepUntil(key, atMs) {
      sleeps.push({ key, atMs })
      nowMs = Math.max(nowMs, atMs)
    },
    onTransition: (transition) => {
      transitions.push(transition)
    },
  }
}

/** Runs states that begin with the first one. */
export const runStates = (
  states: Record<string, JsonObject>,
  input: Json = {},
  options: Partial<RunOptions> & { readonly top?: JsonObject } = {},
): Promise<RunResult> => {
  const { top, ...rest } = options
  const program = compile({ StartAt: Object.keys(states)[0]!, States: states, ...top })
  return run(program, { input, host: makeFakeHost(), ...rest })
}

/** Runs one state that ends the machine, and gives its output or throws its error. */
export const outputOf = async (
  state: JsonObject,
  input: Json = {},
  options: Partial<RunOptions> = {},
): Promise<Json> => {
  const isTerminal = state.Type === 'Succeed' || state.Type === 'Fail'
  const result = await runStates({ Only: isTerminal ? state : { ...state, End: true } }, input, options)
  if (result.status === 'SUCCEEDED') return result.output
  throw Object.assign(new Error(JSON.stringify(result)), result)
}
