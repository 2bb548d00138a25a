/** What an expression sees: the data it stands on, and the surroundings of the state it belongs to. */
import type { Json, JsonObject } from '../../platform/json.ts'
import type { JsonataLimits } from '../../platform/jsonata.ts'

export type Maybe<T> = T | Promise<T>

/** What is the same for all expressions of one stay in a state. */
export interface Surroundings {
  /** The value of a workflow variable, from the innermost scope that has it. */
  variable(name: string): Json | undefined
  /** The context object, `$$` or `$states.context`. */
  context(): JsonObject
  now(): number
  random(): number
  uuid(): string
  /** What one JSONata expression may use. */
  readonly limits: Partial<JsonataLimits>
}

export interface Focus {
  readonly around: Surroundings
  /** What `$` stands for in JSONPath: it changes from stage to stage of the data flow. */
  readonly data: Json
  /** `$states.input`: the state's input, or in some fields what the service puts there. */
  readonly input: Json
  readonly result?: Json
  readonly errorOutput?: Json
}

export type Evaluate = (focus: Focus) => Maybe<Json>

export type QueryLanguage = 'JSONPath' | 'JSONata'
