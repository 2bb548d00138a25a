/** Which fields each type of state may have, in which query language, and what they must hold. */
import type { QueryLanguage } from '../query/focus.ts'
import type { StateType } from '../states/state.ts'

export type Kind =
  | 'any'
  | 'text'
  /** In JSONata it may be an expression. */
  | 'dynamicText'
  | 'boolean'
  /** A path to a value; with `null` allowed, an empty object is meant. */
  | 'path'
  | 'pathOrNull'
  | 'referencePathOrNull'
  /** A path, or an intrinsic function, that gives a text. */
  | 'textPath'
  /** A payload template or any JSON with expressions in it, according to the language. */
  | 'template'
  /** A list, an object or an expression. */
  | 'items'
  | 'assign'
  | 'seconds'
  | 'count'
  | 'percentage'
  | 'waitSeconds'
  | 'timestamp'
  | 'object'
  | 'list'

export interface Field {
  readonly kind: Kind
  /** Only in states of that language. */
  readonly language?: QueryLanguage
  readonly required?: true
}

type Fields = Readonly<Record<string, Field>>

const path = { kind: 'path', language: 'JSONPath' } as const
const template = { kind: 'template', language: 'JSONPath' } as const
const expression = { kind: 'template', language: 'JSONata' } as const

const every: Fields = {
  Type: { kind: 'text', required: true },
  Comment: { kind: 'text' },
  QueryLanguage: { kind: 'text' },
}
const going: Fields = { Next: { kind: 'text' }, End: { kind: 'boolean' } }
const inputOutput: Fields = {
  InputPath: { kind: 'pathOrNull', language: 'JSONPath' },
  OutputPath: { kind: 'pathOrNull', language: 'JSONPath' },
  Output: expression,
}
const assign: Fields = { Assign: { kind: 'assign' } }
const result: Fields = { ResultPath: { kind: 'referencePathOrNull', language: 'JSONPath' }, ResultSelector: template }
const policies: Fields = { Retry: { kind: 'list' }, Catch: { kind: 'list' } }

const withPath = (name: string, kind: Kind): Fields => ({ [name]: { kind }, [`${name}Path`]: path })

export const STATE_FIELDS: Readonly<Record<StateType, Fields>> = {
  Pass: {
    ...every,
    ...going,
    ...inputOutput,
    ...assign,
    ResultPath: result.ResultPath!,
    Parameters: template,
    Result: { kind: 'any', language: 'JSONPath' },
  },
  Task: {
    ...every,
    ...going,
    ...inputOutput,
    ...assign,
    ...result,
    ...policies,
    ...withPath('TimeoutSeconds', 'seconds'),
    ...withPath('HeartbeatSeconds', 'seconds'),
    Resource: { kind: 'text', required: true },
    Parameters: template,
    Arguments: expression,
    Credentials: { kind: 'template' },
  },
  Choice: {
    ...every,
    ...inputOutput,
    ...assign,
    Choices: { kind: 'list', required: true },
    Default: { kind: 'text' },
  },
  Wait: {
    ...every,
    ...going,
    ...inputOutput,
    ...assign,
    Seconds: { kind: 'waitSeconds' },
    Timestamp: { kind: 'timestamp' },
    SecondsPath: path,
    TimestampPath: path,
  },
  Succeed: { ...every, ...inputOutput },
  Fail: {
    ...every,
    Error: { kind: 'dynamicText' },
    Cause: { kind: 'dynamicText' },
    ErrorPath: { kind: 'textPath', language: 'JSONPath' },
    CausePath: { kind: 'textPath', language: 'JSONPath' },
  },
  Parallel: {
    ...every,
    ...going,
    ...inputOutput,
    ...assign,
    ...result,
    ...policies,
    Branches: { kind: 'list', required: true },
    Parameters: template,
    Arguments: expression,
  },
  Map: {
    ...every,
    ...going,
    ...inputOutput,
    ...assign,
    ...result,
    ...policies,
    ...withPath('MaxConcurrency', 'count'),
    ...withPath('ToleratedFailureCount', 'count'),
    ...withPath('ToleratedFailurePercentage', 'percentage'),
    ItemProcessor: { kind: 'object' },
    Iterator: { kind: 'object' },
    ItemsPath: path,
    Items: { kind: 'items', language: 'JSONata' },
    ItemSelector: { kind: 'template' },
    Parameters: template,
    ItemReader: { kind: 'object' },
    ItemBatcher: { kind: 'object' },
    ResultWriter: { kind: 'object' },
    Label: { kind: 'text' },
  },
}

/** In the order in which the service lists them. */
export const STATE_TYPES: readonly StateType[] = [
  'Task',
  'Wait',
  'Pass',
  'Succeed',
  'Fail',
  'Choice',
  'Parallel',
  'Map',
]

/** Fields of which at most one may be there. */
export const EXCLUSIVE: readonly (readonly string[])[] = [
  ['Next', 'End'],
  ['TimeoutSeconds', 'TimeoutSecondsPath'],
  ['HeartbeatSeconds', 'HeartbeatSecondsPath'],
  ['MaxConcurrency', 'MaxConcurrencyPath'],
  ['ToleratedFailureCount', 'ToleratedFailureCountPath'],
  ['ToleratedFailurePercentage', 'ToleratedFailurePercentagePath'],
  ['Error', 'ErrorPath'],
  ['Cause', 'CausePath'],
  ['ItemProcessor', 'Iterator'],
  ['ItemSelector', 'Parameters'],
]
