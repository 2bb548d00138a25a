/** A JSON Schema of definitions for editors: completion, explanations and most of the checks while typing. */
import type { JsonSchema } from '../platform/json.ts'
import { COMPARE_OPERATORS, TYPE_OPERATORS } from './choice-operators.ts'
import type { StateType } from './states/state.ts'
import { type Kind, STATE_FIELDS, STATE_TYPES } from './validate/fields.ts'

const expression = { type: 'string', pattern: '^\\{%[\\s\\S]*%\\}$' }
const path = { type: 'string', pattern: '^\\$' }
const whole = (least: number): JsonSchema => ({ type: 'integer', minimum: least })

/** What a field holds. Where JSONata allows an expression, so does the schema: it does not follow the query language. */
const KINDS: Readonly<Record<Kind, JsonSchema>> = {
  any: {},
  text: { type: 'string' },
  dynamicText: { type: 'string' },
  boolean: { type: 'boolean' },
  path,
  pathOrNull: { anyOf: [path, { type: 'null' }] },
  referencePathOrNull: { anyOf: [path, { type: 'null' }] },
  textPath: { type: 'string', pattern: '^(\\$|States\\.)' },
  template: {},
  items: { anyOf: [{ type: 'array' }, { type: 'object' }, expression] },
  assign: { type: 'object', propertyNames: { pattern: '^[\\p{ID_Start}_]\\p{ID_Continue}*(\\.\\$)?$' } },
  seconds: { anyOf: [whole(1), expression] },
  count: { anyOf: [whole(0), expression] },
  waitSeconds: { anyOf: [whole(0), expression] },
  percentage: { anyOf: [{ type: 'number', minimum: 0, maximum: 100 }, expression] },
  timestamp: { anyOf: [{ type: 'string', format: 'date-time' }, expression] },
  object: { type: 'object' },
  list: { type: 'array' },
}

const DESCRIPTIONS: Readonly<Record<string, string>> = {
  Type: 'What the state does.',
  Comment: 'A note for people.',
  QueryLanguage: 'JSONPath or JSONata. A machine in JSONata has no states in JSONPath.',
  Next: 'The state to go to afterwards.',
  End: 'true: the machine ends with the output of this state.',
  InputPath: 'Selects a part of the input; null means an empty object.',
  OutputPath: 'Selects a part of the output; null means an empty object.',
  ResultPath: 'Where in the input the result is put; null drops the result.',
  ResultSelector: 'Builds the result anew; fields that end in .$ hold paths or intrinsic functions.',
  Parameters: 'What the work is given; fields that end in .$ hold paths or intrinsic functions.',
  Arguments: 'What the work is given; texts of the form {% … %} are JSONata.',
  Output: 'The output of the state; texts of the form {% … %} are JSONata.',
  Assign: 'Sets workflow variables; all values are made before any of them changes.',
  Result: 'The output of a Pass state, literally.',
  Resource: 'What does the task: agent:NAME, skill:NAME/TOOL, workflow:NAME, http:, or the ARN of a service.',
  TimeoutSeconds: 'The task fails with States.Timeout after this time.',
  HeartbeatSeconds: 'The task fails when nothing was heard of it for this time.',
  Credentials: 'Handed to the resource with the task.',
  Retry: 'Which errors are tried again, how often and after how long.',
  Catch: 'Where to go on after an error.',
  Choices: 'The first rule that matches says where to go.',
  Default: 'Where to go when no rule matches.',
  Seconds: 'How long to wait.',
  Timestamp: 'Until when to wait (RFC 3339).',
  Error: 'The name of the error.',
  Cause: 'What the error means, for people.',
  Branches: 'Machines that run at the same time with the same input.',
  ItemProcessor: 'The machine that runs for each item.',
  Iterator: 'The old name of ItemProcessor.',
  Items: 'The items: an array, or JSONata that gives one.',
  ItemsPath: 'Where the items are in the input.',
  ItemSelector: 'Builds the input of each iteration; $$.Map.Item shows the item.',
  ItemReader: 'Reads the items from elsewhere (distributed only).',
  ItemBatcher: 'Puts several items into one child (distributed only).',
  ResultWriter: 'Writes the results elsewhere (distributed only).',
  MaxConcurrency: 'How many iterations run at once; 0 means as many as the platform allows.',
  ToleratedFailureCount: 'How many children may fail (distributed only).',
  ToleratedFailurePercentage: 'Which share of the children may fail (distributed only).',
  Label: 'A name for the children of a distributed Map.',
}

const SPECIAL: Readonly<Record<string, JsonSchema>> = {
  QueryLanguage: { enum: ['JSONPath', 'JSONata'] },
  Retry: { type: 'array', items: { $ref: '#/definitions/retrier' } },
  Catch: { type: 'array', items: { $ref: '#/definitions/catcher' } },
  Choices: { type: 'array', minItems: 1, items: { $ref: '#/definitions/rule' } },
  Branches: { type: 'array', minItems: 1, items: { $ref: '#/definitions/machine' } },
  ItemProcessor: { $ref: '#/definitions/machine' },
  Iterator: { $ref: '#/definitions/machine' },
}

const stateSchema = (type: StateType): JsonSchema => {
  const properties: Record<string, JsonSchema> = {}
  const required: string[] = []
  for (const [name, field] of Object.entries(STATE_FIELDS[type])) {
    const description = DESCRIPTIONS[name] ?? DESCRIPTIONS[name.replace(/Path$/, '')]
    properties[name] = {
      ...(SPECIAL[name] ?? KINDS[field.kind]),
      ...(description === undefined ? {} : { description }),
    }
    if (field.required) required.push(name)
  }
  properties.Type = { const: type, description: DESCRIPTIONS.Type }
  return { type: 'object', properties, required, additionalProperties: false }
}

const errorEquals: JsonSchema = {
  type: 'array',
  minItems: 1,
  items: { type: 'string' },
  description: 'Names of errors; States.ALL covers all of them and stands alone, at the end.',
}

const retrier: JsonSchema = {
  type: 'object',
  required: ['ErrorEquals'],
  additionalProperties: false,
  properties: {
    Comment: { type: 'string' },
    ErrorEquals: errorEquals,
    IntervalSeconds: { ...whole(1), description: 'The wait before the first retry; 1 by default.' },
    MaxAttempts: { ...whole(0), description: 'How many retries; 3 by default.' },
    BackoffRate: { type: 'number', minimum: 1, description: 'What each further wait is multiplied by; 2 by default.' },
    MaxDelaySeconds: { ...whole(1), description: 'The longest wait.' },
    JitterStrategy: { enum: ['FULL', 'NONE'], description: 'FULL draws each wait between 0 and its length.' },
  },
}

const catcher: JsonSchema = {
  type: 'object',
  required: ['ErrorEquals', 'Next'],
  additionalProperties: false,
  properties: {
    Comment: { type: 'string' },
    ErrorEquals: errorEquals,
    Next: { type: 'string' },
    ResultPath: KINDS.referencePathOrNull,
    Output: {},
    Assign: KINDS.assign,
  },
}

const ruleSchema = (): JsonSchema => {
  const properties: Record<string, JsonSchema> = {
    Variable: path,
    Condition: { anyOf: [expression, { type: 'boolean' }] },
    Next: { type: 'string' },
    Assign: KINDS.assign,
    Output: {},
    Comment: { type: 'string' },
    And: { type: 'array', minItems: 1, items: { $ref: '#/definitions/rule' } },
    Or: { type: 'array', minItems: 1, items: { $ref: '#/definitions/rule' } },
    Not: { $ref: '#/definitions/rule' },
    StringMatches: { type: 'string', description: '* stands for any text.' },
    IsPresent: { type: 'boolean' },
  }
  const operands = { string: { type: 'string' }, number: { type: 'number' }, boolean: { type: 'boolean' } }
  for (const [name, { kind }] of COMPARE_OPERATORS) {
    properties[name] = kind === 'timestamp' ? { type: 'string', format: 'date-time' } : operands[kind]
    properties[`${name}Path`] = path
  }
  for (const name of TYPE_OPERATORS.keys()) properties[name] = { type: 'boolean' }
  return { type: 'object', properties, additionalProperties: false }
}

const machine: Record<string, JsonSchema> = {
  Comment: { type: 'string', description: DESCRIPTIONS.Comment },
  StartAt: { type: 'string', description: 'The state to begin with.' },
  States: {
    type: 'object',
    minProperties: 1,
    description: 'The states by their names.',
    additionalProperties: { $ref: '#/definitions/state' },
    propertyNames: { maxLength: 80 },
  },
}

/** Draft 7, which editors know best. It says less than `validate`: transitions, paths and expressions are not looked into. */
export const schema: JsonSchema = {
  $schema: 'http://json-schema.org/draft-07/schema#',
  title: 'States Language definition',
  type: 'object',
  required: ['StartAt', 'States'],
  additionalProperties: false,
  properties: {
    ...machine,
    QueryLanguage: { ...SPECIAL.QueryLanguage, description: DESCRIPTIONS.QueryLanguage },
    Version: { const: '1.0' },
    TimeoutSeconds: { ...whole(1), description: 'The run ends as TIMED_OUT after this time.' },
  },
  definitions: {
    machine: {
      type: 'object',
      required: ['StartAt', 'States'],
      additionalProperties: false,
      properties: {
        ...machine,
        ProcessorConfig: {
          type: 'object',
          properties: { Mode: { enum: ['INLINE', 'DISTRIBUTED'] }, ExecutionType: { enum: ['STANDARD', 'EXPRESS'] } },
        },
      },
    },
    state: {
      type: 'object',
      required: ['Type'],
      properties: { Type: { enum: STATE_TYPES } },
      allOf: STATE_TYPES.map((type) => ({
        if: { properties: { Type: { const: type } }, required: ['Type'] },
        // biome-ignore lint/suspicious/noThenProperty: the keyword of JSON Schema
        then: stateSchema(type),
      })),
    },
    rule: ruleSchema(),
    retrier,
    catcher,
  },
}
