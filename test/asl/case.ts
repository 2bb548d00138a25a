/** The case format: one JSON object a line, recorded from the service. The fields are described in the README beside the data. */
import type { Json, JsonObject } from '../../src/platform/json.ts'

export type CaseKind = 'run' | 'create-error' | 'create-ok' | 'validate' | 'test-state'

export interface Case {
  readonly id: string
  readonly folder: string
  readonly kind: CaseKind
  readonly definition: JsonObject | string
  readonly definitionIsText?: boolean
  readonly input?: Json
  readonly type?: 'STANDARD' | 'EXPRESS'
  readonly expected: Expected
  readonly history?: readonly HistoryEvent[]
  readonly taskAnswers?: readonly TaskAnswer[]
  readonly lambdas?: Readonly<Record<string, string>>
  readonly setup?: readonly JsonObject[]
  readonly stateMachines?: Readonly<Record<string, JsonObject>>
  readonly stop?: JsonObject
  readonly clock?: string
  readonly needs?: readonly string[]
  readonly hints?: readonly string[]
  readonly causeFrom?: 'definition' | 'task' | 'engine'
  readonly tokens?: readonly string[]
  readonly bindings?: Readonly<Record<string, string>>
  readonly unbound?: readonly string[]
  readonly request?: JsonObject
}

export interface Expected extends JsonObject {
  status: string
}

export interface HistoryEvent {
  readonly type: string
  readonly id?: number
  readonly prev?: number
  readonly stateName?: string
  readonly input?: Json
  readonly output?: Json
  readonly parameters?: Json
  readonly error?: string
  readonly cause?: Json
  readonly assignedVariables?: Json
  readonly timeoutInSeconds?: number
  readonly heartbeatInSeconds?: number
  readonly taskCredentials?: Json
  readonly index?: number
  readonly length?: number
  readonly location?: string
}

export interface TaskAnswer {
  readonly state: string
  readonly outcome: 'succeeded' | 'failed' | 'submitted' | 'timedOut' | string
  readonly resource?: string
  readonly parameters?: Json
  readonly output?: Json
  readonly error?: string
  readonly cause?: Json
}

export const readCases = (text: string): Case[] =>
  text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => JSON.parse(line) as Case)
