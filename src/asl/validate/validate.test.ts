import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { JsonObject } from '../../platform/json.ts'
import { type Finding, validate } from '../index.ts'

const pass = { Type: 'Pass', End: true }
const task = { Type: 'Task', Resource: 'x', End: true }
const processor = { StartAt: 'I', States: { I: pass } }
const map = { Type: 'Map', ItemProcessor: processor, End: true }
const distributed = { ...map, ItemProcessor: { ...processor, ProcessorConfig: { Mode: 'DISTRIBUTED' } } }
const choice = (rule: object): JsonObject => ({ Type: 'Choice', Choices: [{ Next: 'S', ...rule }], Default: 'S' })

const machine = (S: JsonObject, more: JsonObject = {}): JsonObject => ({ StartAt: 'S', States: { S }, ...more })
const errorsOf = (definition: unknown, type?: 'EXPRESS'): readonly Finding[] =>
  validate(definition, type ? { type } : {}).findings.filter(({ severity }) => severity === 'error')
const shown = (findings: readonly Finding[]): string[] => findings.map(({ code, location }) => `${code} ${location}`)

describe('validate() refuses', () => {
  const cases: [what: string, definition: unknown, expected: string[]][] = [
    ['what is no object', [], ['INVALID_JSON_DESCRIPTION ']],
    ['a machine without a beginning', { States: { S: pass } }, ['MISSING_FIELD ']],
    ['a machine without states', { StartAt: 'S', States: {} }, ['INVALID_VALUE /States']],
    ['a beginning that is not there', { StartAt: 'X', States: { S: pass } }, ['MISSING_TRANSITION_TARGET /StartAt']],
    ['an unknown field at the top', machine(pass, { Foo: 1 }), ['UNKNOWN_FIELD /Foo']],
    ['another version', machine(pass, { Version: '2.0' }), ['INVALID_VALUE /Version']],
    ['a time limit that is no number', machine(pass, { TimeoutSeconds: '5' }), ['INVALID_VALUE /TimeoutSeconds']],
    ['an unknown query language', machine(pass, { QueryLanguage: 'SQL' }), ['INVALID_VALUE /QueryLanguage']],
    [
      'JSONPath within JSONata',
      machine({ ...pass, QueryLanguage: 'JSONPath' }, { QueryLanguage: 'JSONata' }),
      ['NOT_ALLOWED /States/S'],
    ],
    ['a state that is no object', { StartAt: 'S', States: { S: 1 } }, ['INVALID_VALUE /States/S']],
    ['a state without a type', machine({ End: true }), ['MISSING_FIELD /States/S']],
    ['an unknown type', machine({ Type: 'Lambda', End: true }), ['INVALID_VALUE /States/S/Type']],
    ['an unknown field', machine({ ...pass, Nxt: 'S' }), ['UNKNOWN_FIELD /States/S/Nxt']],
    ['a field of another type', machine({ ...pass, Resource: 'x' }), ['UNKNOWN_FIELD /States/S/Resource']],
    ['a field of the other language', machine({ ...pass, Output: 1 }), ['NOT_ALLOWED /States/S/Output']],
    ['neither Next nor End', machine({ Type: 'Pass' }), ['MISSING_FIELD /States/S', 'MISSING_END_STATE /States']],
    ['both Next and End', machine({ ...pass, Next: 'S' }), ['NOT_ALLOWED /States/S']],
    [
      'a next state that is not there',
      machine({ Type: 'Pass', Next: 's' }),
      ['MISSING_TRANSITION_TARGET /States/S/Next', 'MISSING_END_STATE /States'],
    ],
    ['a state that cannot be reached', { StartAt: 'S', States: { S: pass, T: pass } }, ['UNREACHABLE_STATE /States/T']],
    [
      'a name that is used twice',
      machine({ ...map, ItemProcessor: { StartAt: 'S', States: { S: pass } } }),
      ['DUPLICATE_STATE_NAME /States/S/ItemProcessor/States/S'],
    ],
    [
      'a machine that cannot end',
      { StartAt: 'S', States: { S: { Type: 'Pass', Next: 'S' } } },
      ['MISSING_END_STATE /States'],
    ],
    ['a path that does not parse', machine({ ...pass, InputPath: 'a' }), ['INVALID_PATH /States/S/InputPath']],
    [
      'a result path to several places',
      machine({ ...pass, ResultPath: '$.a[*]' }),
      ['INVALID_PATH /States/S/ResultPath'],
    ],
    [
      'a template with a bad path',
      machine({ ...pass, Parameters: { a: [{ 'b.$': 'x' }] } }),
      ['INVALID_PATH /States/S/Parameters/a/0/b.$'],
    ],
    [
      'a template with a bad function',
      machine({ ...pass, Parameters: { 'b.$': 'States.Nope()' } }),
      ['INVALID_PATH /States/S/Parameters/b.$'],
    ],
    [
      'a template with a field twice',
      machine({ ...pass, Parameters: { a: 1, 'a.$': '$' } }),
      ['NOT_ALLOWED /States/S/Parameters/a.$'],
    ],
    [
      'JSONata that does not parse',
      machine({ ...pass, QueryLanguage: 'JSONata', Output: { a: '{% 1 + %}' } }),
      ['INVALID_EXPRESSION /States/S/Output/a'],
    ],
    ...(
      [
        ['an expression that does not close', { Output: { a: '{% $x' } }, 'Output/a'],
        ['an expression that does not open', { Output: ['$x %}'] }, 'Output/0'],
        ['a name that no context has', { Output: '{% $uppercase(phone) %}' }, 'Output'],
        ['the outermost context', { Output: '{% $$.a %}' }, 'Output'],
        ['the result of a state that has none', { Output: { a: '{% $states.result.x %}' } }, 'Output/a'],
        ['an error where none was caught', { Assign: { a: '{% [$states.errorOutput] %}' } }, 'Assign/a'],
      ] satisfies [string, JsonObject, string][]
    ).map(([what, fields, at]): [string, unknown, string[]] => {
      const code = what.startsWith('an expression') ? 'INVALID_EXPRESSION' : 'UNSUPPORTED_EXPRESSION'
      return [what, machine({ ...pass, QueryLanguage: 'JSONata', ...fields }), [`${code} /States/S/${at}`]]
    }),
    [
      'the result of a task before it is done',
      machine({ ...task, QueryLanguage: 'JSONata', Arguments: '{% $states.result %}' }),
      ['UNSUPPORTED_EXPRESSION /States/S/Arguments'],
    ],
    [
      'a query language of an item processor',
      machine({ ...map, ItemProcessor: { ...processor, QueryLanguage: 'JSONata' } }),
      ['UNKNOWN_FIELD /States/S/ItemProcessor/QueryLanguage'],
    ],
    [
      'a backslash that escapes nothing',
      machine({ ...pass, Parameters: { 'a.$': String.raw`States.Format('\n')` } }),
      ['INVALID_PATH /States/S/Parameters/a.$'],
    ],
    ['a variable called states', machine({ ...pass, Assign: { states: 1 } }), ['NOT_ALLOWED /States/S/Assign/states']],
    ['a variable with an odd name', machine({ ...pass, Assign: { 'a-b': 1 } }), ['INVALID_VALUE /States/S/Assign/a-b']],
    ['a task without a resource', machine({ Type: 'Task', End: true }), ['MISSING_FIELD /States/S']],
    ['a time limit of nothing', machine({ ...task, TimeoutSeconds: 0 }), ['INVALID_VALUE /States/S/TimeoutSeconds']],
    [
      'a heartbeat as long as the time limit',
      machine({ ...task, TimeoutSeconds: 5, HeartbeatSeconds: 5 }),
      ['INVALID_VALUE /States/S/HeartbeatSeconds'],
    ],
    [
      'a time limit given twice',
      machine({ ...task, TimeoutSeconds: 5, TimeoutSecondsPath: '$.a' }),
      ['NOT_ALLOWED /States/S'],
    ],
    ['a wait for nothing', machine({ Type: 'Wait', End: true }), ['MISSING_FIELD /States/S']],
    [
      'a wait for two things',
      machine({ Type: 'Wait', Seconds: 1, SecondsPath: '$.a', End: true }),
      ['MISSING_FIELD /States/S'],
    ],
    [
      'a time without a zone',
      machine({ Type: 'Wait', Timestamp: '2026-01-01T00:00:00', End: true }),
      ['INVALID_VALUE /States/S/Timestamp'],
    ],
    ['an error given twice', machine({ Type: 'Fail', Error: 'a', ErrorPath: '$.a' }), ['NOT_ALLOWED /States/S']],
    ['a retrier without names', machine({ ...task, Retry: [{}] }), ['MISSING_FIELD /States/S/Retry/0']],
    [
      'States.ALL among others',
      machine({ ...task, Retry: [{ ErrorEquals: ['A', 'States.ALL'] }] }),
      ['NOT_ALLOWED /States/S/Retry/0/ErrorEquals'],
    ],
    [
      'States.ALL before others',
      machine({ ...task, Retry: [{ ErrorEquals: ['States.ALL'] }, { ErrorEquals: ['A'] }] }),
      ['NOT_ALLOWED /States/S/Retry/0/ErrorEquals'],
    ],
    [
      'a rate below one',
      machine({ ...task, Retry: [{ ErrorEquals: ['A'], BackoffRate: 0.5 }] }),
      ['INVALID_VALUE /States/S/Retry/0/BackoffRate'],
    ],
    [
      'a delay of a leap year',
      machine({ ...task, Retry: [{ ErrorEquals: ['A'], MaxDelaySeconds: 31_622_400 }] }),
      ['INVALID_VALUE /States/S/Retry/0/MaxDelaySeconds'],
    ],
    [
      'an unknown jitter',
      machine({ ...task, Retry: [{ ErrorEquals: ['A'], JitterStrategy: 'SOME' }] }),
      ['INVALID_VALUE /States/S/Retry/0/JitterStrategy'],
    ],
    [
      'a catcher that leads nowhere',
      machine({ ...task, Catch: [{ ErrorEquals: ['A'], Next: 'X' }] }),
      ['MISSING_TRANSITION_TARGET /States/S/Catch/0/Next'],
    ],
    ['a choice without rules', machine({ Type: 'Choice', Choices: [] }), ['INVALID_VALUE /States/S/Choices']],
    [
      'a rule without an operator',
      machine(choice({ Variable: '$.a' })),
      ['MISSING_FIELD /States/S/Choices/0', 'MISSING_END_STATE /States'],
    ],
    [
      'a rule with an unknown operator',
      machine(choice({ Variable: '$.a', Equals: 1 })),
      ['UNKNOWN_FIELD /States/S/Choices/0/Equals', 'MISSING_END_STATE /States'],
    ],
    [
      'a rule with two operators',
      machine(choice({ Variable: '$.a', StringEquals: '', IsNull: true })),
      ['NOT_ALLOWED /States/S/Choices/0', 'MISSING_END_STATE /States'],
    ],
    [
      'an operand of another type',
      machine(choice({ Variable: '$.a', NumericEquals: '1' })),
      ['INVALID_VALUE /States/S/Choices/0/NumericEquals', 'MISSING_END_STATE /States'],
    ],
    [
      'a rule within a rule that goes somewhere',
      machine(choice({ Not: { Variable: '$.a', IsNull: true, Next: 'S' } })),
      ['NOT_ALLOWED /States/S/Choices/0/Not/Next', 'MISSING_END_STATE /States'],
    ],
    [
      'a parallel state without branches',
      machine({ Type: 'Parallel', Branches: [], End: true }),
      ['INVALID_VALUE /States/S/Branches'],
    ],
    [
      'a broken branch',
      machine({ Type: 'Parallel', Branches: [{ StartAt: 'X', States: { B: pass } }], End: true }),
      ['MISSING_TRANSITION_TARGET /States/S/Branches/0/StartAt'],
    ],
    [
      'items that are a text',
      machine({ ...map, QueryLanguage: 'JSONata', Items: 'a' }),
      ['INVALID_VALUE /States/S/Items'],
    ],
    [
      'items that are null',
      machine({ ...map, QueryLanguage: 'JSONata', Items: null }),
      ['INVALID_VALUE /States/S/Items'],
    ],
    ['a map without a processor', machine({ Type: 'Map', End: true }), ['MISSING_FIELD /States/S']],
    [
      'a reader in an inline map',
      machine({ ...map, ItemReader: { Resource: 'x' } }),
      ['NOT_ALLOWED /States/S/ItemReader'],
    ],
    [
      'a batcher without a limit',
      machine({ ...distributed, ItemBatcher: {} }),
      ['MISSING_FIELD /States/S/ItemBatcher'],
    ],
    [
      'headers that are not given',
      machine({
        ...distributed,
        ItemReader: { Resource: 'x', ReaderConfig: { InputType: 'CSV', CSVHeaderLocation: 'GIVEN' } },
      }),
      ['MISSING_FIELD /States/S/ItemReader/ReaderConfig'],
    ],
    [
      'an inner scope that assigns an outer variable',
      {
        StartAt: 'A',
        States: {
          A: { Type: 'Pass', Assign: { v: 1 }, Next: 'S' },
          S: { ...map, ItemProcessor: { StartAt: 'I', States: { I: { ...pass, Assign: { v: 2 } } } } },
        },
      },
      ['NOT_ALLOWED /States/S/ItemProcessor/States/I/Assign'],
    ],
  ]
  for (const [what, definition, expected] of cases)
    test(what, () => assert.deepEqual(shown(errorsOf(definition)), expected))

  test('waiting for others in an express run', () => {
    for (const Resource of [
      'x.waitForTaskToken',
      'x.sync',
      'x.sync:2',
      'arn:aws:states:us-east-1:1:activity:a',
      'activity:a',
    ]) {
      const definition = machine({ ...task, Resource })
      assert.deepEqual(shown(errorsOf(definition, 'EXPRESS')), ['NOT_ALLOWED /States/S/Resource'])
      assert.deepEqual(errorsOf(definition), [])
    }
  })
})

describe('validate() says', () => {
  test('which state and field a finding belongs to', () => {
    const [finding] = errorsOf({ StartAt: 'A/b', States: { 'A/b': { ...pass, InputPath: 'x' } } })
    assert.deepEqual(
      [finding?.state, finding?.field, finding?.location],
      ['A/b', 'InputPath', '/States/A~1b/InputPath'],
    )
    assert.match(finding!.message, /'x' is not a JSONPath: expected '\$' at character 1/)
  })

  test('what the service says, in its words', () => {
    const textsOf = (definition: JsonObject, type?: 'EXPRESS'): string[] =>
      errorsOf(definition, type).map(({ message }) => message)
    const loop = { A: { Type: 'Pass', Next: 'B' }, B: { Type: 'Pass', Next: 'A' } }
    const cases: [JsonObject, string[]][] = [
      [{ States: { S: pass } }, ['These fields are required: [StartAt]']],
      [{}, ['These fields are required: [StartAt, States]']],
      [{ StartAt: 'A', States: loop }, ['Workflow has no terminal state']],
      [{ StartAt: 'A', States: { ...loop, C: { Type: 'Pass', Next: 'A' } } }, ['Workflow has no terminal state']],
      [{ StartAt: 'A', States: { ...loop, C: pass } }, ['State "C" is not reachable.']],
      [
        { StartAt: 'A', States: { A: { Type: 'Pass', Next: 'NOPE' } } },
        ["Missing 'Next' target: NOPE", 'Workflow has no terminal state'],
      ],
      [machine({ ...map, TimeoutSeconds: 1 }), ["Field 'TimeoutSeconds' is not supported"]],
      [
        machine({ ...pass, Output: 1 }),
        [
          "The QueryLanguage is set to 'JSONPath', but field 'Output' is only supported for the 'JSONata' QueryLanguage",
        ],
      ],
      [machine({ ...pass, Output: '{% 1 + %}' }, { QueryLanguage: 'JSONata' }), ['Unexpected end of expression']],
      [machine({ Type: 'Wait', Timestamp: '2026', End: true }), ['String does not match RFC3339 timestamp']],
      [
        machine({ Type: 'X', End: true }),
        ["The field 'Type' should have one of these values: [Task, Wait, Pass, Succeed, Fail, Choice, Parallel, Map]"],
      ],
    ]
    for (const [definition, expected] of cases) assert.deepEqual(textsOf(definition), expected)
    assert.deepEqual(textsOf(machine({ ...task, Resource: 'x.sync' }), 'EXPRESS'), [
      "Express state machine does not support '.sync' service integration ",
    ])
  })

  test('nothing against comments and names, whatever they look like', () => {
    const next = { Next: 'T' }
    const distributed = { ...map, ItemProcessor: { ...map.ItemProcessor, ProcessorConfig: { Mode: 'DISTRIBUTED' } } }
    for (const text of ['{% not closed', '{% ( %}', '{% foo.$states.result & $unknown %}']) {
      const states: JsonObject[] = [
        { ...pass, Comment: text },
        { Type: 'Choice', Choices: [{ Condition: true, ...next, Comment: text }], Default: 'T' },
        { ...task, Catch: [{ ErrorEquals: [text], ...next, Comment: text }] },
        { ...task, Resource: text, Retry: [{ ErrorEquals: [text], Comment: text }] },
        { ...distributed, ItemReader: { Resource: text, ReaderConfig: { InputType: 'CSV', CSVHeaders: [text] } } },
        { ...distributed, ResultWriter: { Resource: text } },
      ]
      for (const state of states) {
        const definition = { StartAt: 'S', QueryLanguage: 'JSONata', States: { S: state, T: { Type: 'Succeed' } } }
        const found = validate(definition).findings.filter(({ code }) => code !== 'UNREACHABLE_STATE')
        assert.deepEqual(found, [], JSON.stringify(state))
      }
    }
  })

  test('nothing against a field of data that is called like a path and is none', () => {
    for (const field of ['Parameters', 'ResultSelector', 'Credentials', 'Assign']) {
      const data = { filePath: '$HOME/x y[', Variable: '$[' }
      assert.deepEqual(validate(machine({ ...task, [field]: data })).findings, [], field)
    }
    const read = { Parameters: { Comment: { 'x.$': '$unknown' } }, TimeoutSecondsPath: '$other' }
    assert.equal(validate(machine({ ...task, ...read })).findings.length, 2, 'what is read is still told')
  })

  test('without much ado that many targets are missing', () => {
    // Each compared with all of them would take many minutes: the runner's limit is one.
    const states = Object.fromEntries(Array.from({ length: 60_000 }, (_, i) => [`s${i}`, { Type: 'Pass', Next: 'No' }]))
    assert.equal(validate({ StartAt: 's0', States: states }).findings[0]?.code, 'MISSING_TRANSITION_TARGET')
  })

  test('nothing against a variable that is called by any identifier of Unicode', () => {
    for (const name of ['_x', 'été2', 'x\u0302', 'ⅷ', 'x'.repeat(80)]) {
      assert.deepEqual(validate(machine({ ...pass, Assign: { [name]: 1, 'y.$': `$${name}` } })).findings, [])
    }
    for (const name of ['1x', 'x²', 'x'.repeat(81), '']) {
      assert.deepEqual(shown(errorsOf(machine({ ...pass, Assign: { [name]: 1 } }))), [
        `INVALID_VALUE /States/S/Assign/${name}`,
      ])
    }
  })

  test('which state may have been meant', () => {
    const [finding] = errorsOf({ StartAt: 's', States: { S: pass } })
    assert.match(finding!.message, /did you mean 'S'\?/)
  })

  test('everything at once', () => {
    assert.equal(
      errorsOf({ StartAt: 'S', States: { S: { Type: 'Task', InputPath: 1, Nope: 1, End: true } } }).length,
      3,
    )
  })

  test('that a variable is read which nobody assigns, but lets it pass', () => {
    const { ok, findings } = validate(machine({ ...pass, InputPath: '$nobody' }))
    assert.equal(ok, true)
    assert.deepEqual(
      findings.map(({ severity, code }) => [severity, code]),
      [['warning', 'UNASSIGNED_VARIABLE']],
    )
  })

  test('that a function will fail whenever it is called, but lets it pass', () => {
    const { ok, findings } = validate(machine({ ...pass, Parameters: { 'a.$': "States.Format('{} {}', 1)" } }))
    assert.ok(ok)
    assert.deepEqual(shown(findings), ['INVALID_EXPRESSION /States/S/Parameters/a.$'])
  })

  test('nothing against $states where it is whole, and names where there is a context', () => {
    const Catch = [{ ErrorEquals: ['E'], Next: 'T', Output: '{% $states.errorOutput.Error %}' }]
    const Output = { r: '{% $states.result.list[price > 3].name %}', f: '{% $map([1], function($x) { $x }) %}' }
    const states = {
      S: { ...task, QueryLanguage: 'JSONata', Catch, Output, Assign: { x: '{% $states.result %}' } },
      T: { ...pass, QueryLanguage: 'JSONata', Output: '{% {"a": $states.input.(a & b), "all": $states} %}' },
    }
    assert.deepEqual(validate({ StartAt: 'S', States: states }).findings, [])
  })

  test('nothing against machines nested ever deeper, until it is too much', () => {
    let deep: JsonObject = machine(pass)
    for (let i = 0; i < 60; i++) deep = machine({ Type: 'Parallel', Branches: [deep], End: true })
    assert.match(errorsOf(deep).at(-1)!.message, /within one another/)
    let value: JsonObject = {}
    for (let i = 0; i < 50_000; i++) value = { value }
    assert.match(errorsOf(machine({ ...pass, Parameters: value }))[0]!.message, /levels/)
  })
})
