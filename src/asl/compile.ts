/** Compiles a definition: expressions, paths and templates are read once, here. */
import type { Json, JsonObject } from '../platform/json.ts'
import { compileCatchers } from './catch.ts'
import { type Finding, InvalidDefinition } from './finding.ts'
import type { QueryLanguage } from './query/focus.ts'
import { mayReadContext } from './query/jsonata.ts'
import { compileRetriers } from './retry.ts'
import { compileChoice } from './states/choice.ts'
import { compileMap } from './states/map.ts'
import { compileParallel } from './states/parallel.ts'
import { compileFail, compilePass, compileSucceed } from './states/simple.ts'
import type { CompileContext, Execute, Machine, State, StateType } from './states/state.ts'
import { compileTask } from './states/task.ts'
import { compileWait } from './states/wait.ts'
import { validate } from './validate/validate.ts'
import { pointerPart } from './values.ts'

/** A definition, ready to run any number of times. */
export interface Program {
  readonly definition: JsonObject
  readonly machine: Machine
  /** Item processors of distributed Maps, by their JSON Pointer. */
  readonly processors: ReadonlyMap<string, Machine>
  /** `TimeoutSeconds` of the whole run. */
  readonly timeoutMs: number | undefined
  readonly warnings: readonly Finding[]
}

const COMPILERS: Readonly<Record<StateType, (state: JsonObject, context: CompileContext) => Execute>> = {
  Pass: compilePass,
  Task: compileTask,
  Choice: compileChoice,
  Wait: compileWait,
  Succeed: compileSucceed,
  Fail: compileFail,
  Parallel: compileParallel,
  Map: compileMap,
}

/** Throws `InvalidDefinition` with what `validate` found. */
export const compile = (definition: JsonObject): Program => {
  const { ok, findings } = validate(definition)
  if (!ok) throw new InvalidDefinition(findings.filter((finding) => finding.severity === 'error'))
  const language = (definition.QueryLanguage as QueryLanguage | undefined) ?? 'JSONPath'
  const timeout = definition.TimeoutSeconds
  const processors = new Map<string, Machine>()
  return {
    definition,
    machine: compileMachine(definition, language, '', processors),
    processors,
    timeoutMs: typeof timeout === 'number' ? timeout * 1000 : undefined,
    warnings: findings.filter((finding) => finding.severity === 'warning'),
  }
}

const compileMachine = (
  definition: JsonObject,
  language: QueryLanguage,
  pointer: string,
  processors: Map<string, Machine>,
): Machine => {
  const states = new Map<string, State>()
  for (const [name, state] of Object.entries(definition.States as Record<string, JsonObject>)) {
    states.set(name, compileState(name, state, language, `${pointer}/States/${pointerPart(name)}`, processors))
  }
  return { start: definition.StartAt as string, states }
}

/** One state by itself, as a test of one state needs it too. */
export const compileState = (
  name: string,
  state: JsonObject,
  /** Of the whole machine. */
  outer: QueryLanguage,
  pointer: string,
  processors = new Map<string, Machine>(),
): State => {
  const language = (state.QueryLanguage as QueryLanguage | undefined) ?? outer
  const type = state.Type as StateType
  const context: CompileContext = {
    name,
    language,
    pointer,
    // A state within a branch has the language of the whole machine, whatever the state around it has.
    compileMachine: (inner, at) => compileMachine(inner, outer, at, processors),
    registerProcessor: (at, machine) => processors.set(at, machine),
  }
  return {
    name,
    type,
    language,
    pointer,
    execute: COMPILERS[type](state, context),
    retriers: compileRetriers(state.Retry),
    catchers: compileCatchers(state.Catch, language),
    needsEnteredTime: mayAskForContext(state),
  }
}

/** Whether some text of the state may name the context object. Said too often it only costs a look at the clock. */
const mayAskForContext = (state: Json): boolean => {
  const text = JSON.stringify(state)
  return text.includes('$$') || mayReadContext(text)
}
