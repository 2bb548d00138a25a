/** Random definitions, inputs and worlds for the fuzzer. Most definitions are valid; some are broken on purpose. */
import { createHash } from 'node:crypto'
import fc from 'fast-check'
import type { Json, JsonObject } from '../../src/platform/json.ts'
import type { World } from './journal.ts'

type Arb<T> = fc.Arbitrary<T>

const scalar: Arb<Json> = fc.oneof(
  fc.constantFrom<Json>(
    null,
    true,
    false,
    0,
    1,
    -1,
    2.5,
    1e21,
    '',
    'a',
    'text',
    '{% $x %}',
    '$.a',
    '2026-01-02T03:04:05Z',
  ),
  fc.integer(),
  fc.string({ maxLength: 6 }),
)

export const json: Arb<Json> = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    scalar,
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom('a', 'b', 'n', 'items', '__proto__', 'constructor', 'x.$'), tie('value'), {
      maxKeys: 3,
    }),
  ),
})).value

/** Inputs have what the expressions below look for, most of the time. */
export const input: Arb<Json> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ a: json, n: fc.integer({ min: 0, max: 5 }), items: fc.array(json, { maxLength: 4 }) }),
  },
  { weight: 1, arbitrary: json },
)

const path = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('$', '$$', '$.items[*].a', '$..a', '$$.State.Name', '$.items[?(@.a > 1)]') },
  { weight: 1, arbitrary: fc.constantFrom('$.a', '$.n', '$.items', '$.items[0]', '$v0', '$v1', '$v2', '$.nope') },
)
const intrinsic = fc.constantFrom(
  ...["States.Format('{}!', $.n)", 'States.Array($.a, $.n)', 'States.MathAdd($.n, 1)', 'States.ArrayLength($.items)'],
  ...['States.UUID()', 'States.MathRandom(1, 9)', "States.StringToJson('[1]')", 'States.ArrayGetItem($.items, 1)'],
)
const expression = fc.constantFrom(
  ...[
    '{% $states.input %}',
    '{% $states.input.n + 1 %}',
    '{% $v0 %}',
    '{% $v1 %}',
    '{% [$v2] %}',
    '{% $lookup($states, "result") %}',
    '{% $count($states.input.items) %}',
  ],
  ...[
    '{% $random() %}',
    '{% $uuid() %}',
    '{% $states.context.State.Name %}',
    '{% $states.input.items.a %}',
    '{% $states.input.n = 1 %}',
  ],
  ...[
    '{% [1..$states.input.n] %}',
    '{% $string($states.input) %}',
    '{% $error("no") %}',
    '{% ($f := function($x){ $f($x) }; $f(1)) %}',
  ],
)
const template = (language: Language): Arb<Json> =>
  language === 'JSONata'
    ? fc.oneof(
        expression,
        fc.dictionary(fc.constantFrom('a', 'n', 'items'), fc.oneof(expression, scalar), { maxKeys: 3 }),
      )
    : fc.dictionary(fc.constantFrom('a.$', 'n.$', 'items.$'), fc.oneof(path, intrinsic), { maxKeys: 3 })

type Language = 'JSONPath' | 'JSONata'

const errorName = fc.constantFrom(
  'States.ALL',
  'States.TaskFailed',
  'States.Timeout',
  'Boom',
  'Crash',
  'States.QueryEvaluationError',
)
const sometimes = <T>(field: string, value: Arb<T>): Arb<JsonObject> =>
  fc.option(value, { freq: 3, nil: undefined }).map((one) => (one === undefined ? {} : { [field]: one as Json }))
const merged = (...parts: Arb<JsonObject>[]): Arb<JsonObject> =>
  fc.tuple(...parts).map((all) => Object.assign({}, ...all))

const retry = sometimes(
  'Retry',
  fc.array(
    merged(
      errorName.map((name) => ({ ErrorEquals: [name] })),
      sometimes('MaxAttempts', fc.integer({ min: 0, max: 3 })),
      sometimes('JitterStrategy', fc.constantFrom('FULL', 'NONE')),
      sometimes('BackoffRate', fc.constantFrom(1, 1.5, 3)),
    ),
    { maxLength: 1 },
  ),
)

/** A machine whose states follow one another, with detours by Choice and Catch to any of them. */
const machine = (depth: number, outer: Language): Arb<JsonObject> =>
  fc.integer({ min: 1, max: depth > 0 ? 4 : 2 }).chain((count) => {
    const names = Array.from({ length: count }, (_, i) => `S${i}`)
    const states = names.map((_, i) => stateArb(depth, outer, names, names[i + 1]))
    return fc.tuple(...states).map((all) => ({
      StartAt: names[0]!,
      States: Object.fromEntries(all.map((state, i) => [names[i]!, prefixed(state, `${names[i]}-`)])),
    }))
  })

/** Names are unique in the whole definition: the states inside a state get its name, and the number of their branch, in front. */
const prefixed = (state: JsonObject, prefix: string): JsonObject => {
  const { Branches, ItemProcessor } = state as { Branches?: JsonObject[]; ItemProcessor?: JsonObject }
  return {
    ...state,
    ...(Branches && { Branches: Branches.map((branch, i) => renamed(branch, `${prefix}${i}-`)) }),
    ...(ItemProcessor && { ItemProcessor: renamed(ItemProcessor, prefix) }),
  }
}

const renamed = (machine: JsonObject, prefix: string): JsonObject => {
  const go = (one: JsonObject): JsonObject => ({
    ...one,
    ...(one.Next === undefined ? {} : { Next: `${prefix}${one.Next}` }),
    ...(one.Default === undefined ? {} : { Default: `${prefix}${one.Default}` }),
  })
  const states = Object.entries(machine.States as Record<string, JsonObject>).map(([name, state]) => {
    const { Choices, Catch } = state as { Choices?: JsonObject[]; Catch?: JsonObject[] }
    const rules = { ...(Choices && { Choices: Choices.map(go) }), ...(Catch && { Catch: Catch.map(go) }) }
    return [`${prefix}${name}`, { ...prefixed(go(state), prefix), ...rules }]
  })
  return { ...machine, StartAt: `${prefix}${machine.StartAt}`, States: Object.fromEntries(states) }
}

const stateArb = (
  depth: number,
  outer: Language,
  names: readonly string[],
  next: string | undefined,
): Arb<JsonObject> =>
  fc
    .constantFrom<Language>(
      ...(outer === 'JSONata' ? (['JSONata'] as const) : (['JSONPath', 'JSONPath', 'JSONata'] as const)),
    )
    .chain((language) => {
      const go: JsonObject = next === undefined ? { End: true } : { Next: next }
      const common: JsonObject = language === outer ? {} : { QueryLanguage: language }
      const isPath = language === 'JSONPath'
      const flow = isPath
        ? merged(
            sometimes('InputPath', path),
            sometimes('ResultPath', fc.constantFrom('$', '$.a', '$.b.c', null)),
            sometimes('OutputPath', path),
          )
        : sometimes('Output', template(language))
      const ends = isPath ? merged(sometimes('InputPath', path), sometimes('OutputPath', path)) : flow
      const assign = sometimes(
        'Assign',
        template(language)
          .filter((one) => typeof one === 'object')
          .map((one) => rename(one as JsonObject, depth)),
      )
      const target = fc.constantFrom(...names)
      const catchers = sometimes(
        'Catch',
        fc.tuple(errorName, target).map(([name, to]) => [{ ErrorEquals: [name], Next: to }]),
      )
      const build = (type: string, ...parts: Arb<JsonObject>[]): Arb<JsonObject> =>
        merged(fc.constant({ Type: type, ...common, ...go }), ...parts)
      const args = sometimes(isPath ? 'Parameters' : 'Arguments', template(language))
      const simple = [
        build(
          'Pass',
          flow,
          assign,
          ...(isPath ? [sometimes('Parameters', template(language)), sometimes('Result', json)] : []),
        ),
        build(
          'Task',
          fc.constant({ Resource: 'task:x' }),
          flow,
          args,
          assign,
          retry,
          catchers,
          sometimes('TimeoutSeconds', fc.constant(5)),
        ),
        build(
          'Wait',
          fc.constantFrom<JsonObject>({ Seconds: 1 }, { Seconds: 0 }, { Timestamp: '2026-01-01T00:00:09Z' }),
          ends,
          assign,
        ),
        choiceArb(common, language, target, next),
        // Only as the last state: what follows it could not be reached.
        ...(next === undefined
          ? [merged(fc.constant({ Type: 'Fail', ...common, Error: 'Boom' }), sometimes('Cause', fc.constant('why')))]
          : []),
      ]
      if (depth === 0) return fc.oneof(...simple)
      return fc.oneof(
        ...simple,
        build(
          'Parallel',
          fc.array(machine(depth - 1, outer), { minLength: 1, maxLength: 3 }).map((Branches) => ({ Branches })),
          flow,
          assign,
          retry,
          catchers,
        ),
        build(
          'Map',
          machine(depth - 1, outer).map((inner) => ({ ItemProcessor: inner })),
          fc.constantFrom<JsonObject>({}, { MaxConcurrency: 1 }, { MaxConcurrency: 2 }),
          items(isPath),
          flow,
          assign,
          retry,
          catchers,
        ),
        build(
          'Map',
          machine(depth - 1, outer).map((inner) => ({
            ItemProcessor: { ...inner, ProcessorConfig: { Mode: 'DISTRIBUTED', ExecutionType: 'STANDARD' } },
          })),
          items(isPath),
          fc.constantFrom<JsonObject>(
            {},
            { ToleratedFailureCount: 1 },
            { ToleratedFailurePercentage: 50 },
            { ItemBatcher: { MaxItemsPerBatch: 2 } },
          ),
          flow,
          retry,
          catchers,
        ),
      )
    })

const items = (isPath: boolean): Arb<JsonObject> =>
  isPath
    ? fc.constantFrom<JsonObject>({ ItemsPath: '$$.Execution.Input.items' }, { ItemsPath: '$.items' })
    : fc.constantFrom<JsonObject>(
        { Items: '{% $states.context.Execution.Input.items %}' },
        { Items: [1, '{% 2 %}', {}] },
      )

/** One variable for each depth: an inner scope must not assign an outer one. */
const rename = (fields: JsonObject, depth: number): JsonObject =>
  Object.fromEntries(
    Object.entries(fields)
      .slice(0, 1)
      .map(([key, value]) => [`v${depth}${key.endsWith('.$') ? '.$' : ''}`, value]),
  )

const choiceArb = (
  common: JsonObject,
  language: Language,
  target: Arb<string>,
  next: string | undefined,
): Arb<JsonObject> => {
  const test = fc.constantFrom<JsonObject>(
    ...[
      { Variable: '$.n', NumericLessThan: 3 },
      { Variable: '$.a', IsPresent: true },
      { Not: { Variable: '$.a', IsString: true } },
    ],
    {
      And: [
        { Variable: '$.a', IsPresent: true },
        { Variable: '$.a', StringMatches: 't*' },
      ],
    },
  )
  const condition = expression.map((Condition): JsonObject => ({ Condition }))
  const rule = fc
    .tuple(language === 'JSONata' ? condition : test, target)
    .map(([one, Next]): JsonObject => ({ ...one, Next }))
  return fc.array(rule, { minLength: 1, maxLength: 2 }).map((Choices) => ({
    Type: 'Choice',
    ...common,
    Choices,
    ...(next === undefined ? {} : { Default: next }),
  }))
}

export const definition: Arb<JsonObject> = fc
  .constantFrom<Language>('JSONPath', 'JSONata')
  .chain((language) =>
    merged(
      machine(2, language),
      fc.constant<JsonObject>(language === 'JSONata' ? { QueryLanguage: 'JSONata' } : {}),
      sometimes('TimeoutSeconds', fc.constantFrom(1, 3, 1_000)),
    ),
  )

/** A definition with one place replaced by anything. */
export const broken: Arb<JsonObject> = fc.tuple(definition, fc.nat(), json).map(([whole, at, value]) => {
  const copy = structuredClone(whole)
  const places: [Record<string, Json>, string][] = []
  const visit = (node: Json): void => {
    if (typeof node !== 'object' || node === null) return
    for (const key of Object.keys(node)) {
      places.push([node as Record<string, Json>, key])
      visit((node as Record<string, Json>)[key]!)
    }
  }
  visit(copy)
  const [node, key] = places[at % places.length]!
  node[key] = value
  return copy
})

/** Answers and their order follow from a seed and the keys alone. */
export const world: Arb<World> = fc.integer().map((seed) => {
  const draw = (text: string): number => createHash('md5').update(`${seed} ${text}`).digest().readUInt32LE()
  return {
    answer({ key, input, timeoutMs }) {
      const kind = draw(`answer ${key}`) % 8
      if (kind === 0) return { error: 'Boom', cause: 'boom' }
      if (kind === 1) return { error: timeoutMs === undefined ? 'Crash' : 'States.Timeout' }
      if (kind === 2) return { output: { a: draw(key) % 5, n: draw(key) % 3, items: [1, { a: 2 }] } }
      return { output: input }
    },
    choose: (keys) => keys[draw(`order ${keys.join()}`) % keys.length]!,
  }
})
