import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Ajv } from 'ajv'
import { schema, validate } from './index.ts'

const accepts = new Ajv({ strict: false, formats: { 'date-time': true } }).compile(schema)
const pass = { Type: 'Pass', End: true }
const machine = (S: object, more: object = {}) => ({ StartAt: 'S', States: { S }, ...more })

describe('the JSON Schema', () => {
  test('accepts what is valid', () => {
    const valid = [
      machine(pass),
      machine({
        Type: 'Task',
        Resource: 'agent:a',
        Retry: [{ ErrorEquals: ['States.ALL'], JitterStrategy: 'FULL' }],
        End: true,
      }),
      machine({
        Type: 'Task',
        QueryLanguage: 'JSONata',
        Resource: 'x',
        TimeoutSeconds: '{% 5 %}',
        Output: '{% $states.result %}',
        End: true,
      }),
      machine(
        { Type: 'Choice', Choices: [{ And: [{ Variable: '$.a', NumericEqualsPath: '$.b' }], Next: 'T' }] },
        {
          States: {
            S: { Type: 'Choice', Choices: [{ Not: { Variable: '$.a', IsNull: true }, Next: 'T' }] },
            T: { Type: 'Succeed' },
          },
        },
      ),
      machine({
        Type: 'Map',
        ItemProcessor: { ProcessorConfig: { Mode: 'DISTRIBUTED' }, StartAt: 'I', States: { I: pass } },
        ItemBatcher: { MaxItemsPerBatch: 2 },
        End: true,
      }),
      machine({
        Type: 'Parallel',
        Branches: [{ StartAt: 'B', States: { B: pass } }],
        Catch: [{ ErrorEquals: ['E'], Next: 'S' }],
        End: true,
      }),
      machine({ Type: 'Wait', Timestamp: '2026-01-01T00:00:00Z', End: true }),
    ]
    for (const definition of valid) {
      assert.ok(validate(definition).ok, JSON.stringify(validate(definition).findings))
      assert.ok(accepts(definition), JSON.stringify(accepts.errors))
    }
  })

  test('refuses what cannot be right', () => {
    const wrong = [
      {},
      machine(pass, { Foo: 1 }),
      machine({ Type: 'Lambda' }),
      machine({ ...pass, Nxt: 'S' }),
      machine({ Type: 'Task', End: true }),
      machine({ ...pass, InputPath: 'a' }),
      machine({ Type: 'Task', Resource: 'x', TimeoutSeconds: 0, End: true }),
      machine({ Type: 'Choice', Choices: [] }),
      machine({ Type: 'Choice', Choices: [{ Variable: '$.a', Equals: 1, Next: 'S' }] }),
      machine({ Type: 'Parallel', Branches: [{ States: {} }], End: true }),
    ]
    for (const definition of wrong) {
      assert.ok(!accepts(definition), JSON.stringify(definition))
      assert.ok(!validate(definition).ok)
    }
  })

  test('explains every field of every state', () => {
    const { definitions } = schema as {
      definitions: { state: { allOf: { then: { properties: Record<string, { description?: string }> } }[] } }
    }
    for (const { then } of definitions.state.allOf) {
      for (const [name, { description }] of Object.entries(then.properties)) assert.ok(description, name)
    }
  })
})
