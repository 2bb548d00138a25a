import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { JsonObject } from '../../platform/json.ts'
import { validate } from '../index.ts'

const processor = {
  ProcessorConfig: { Mode: 'DISTRIBUTED', ExecutionType: 'STANDARD' },
  StartAt: 'I',
  States: { I: { Type: 'Pass', End: true } },
}
const map = (fields: JsonObject): JsonObject => ({ Type: 'Map', ItemProcessor: processor, End: true, ...fields })
const machine = (S: JsonObject, more: JsonObject = {}): JsonObject => ({ StartAt: 'S', States: { S, ...more } })
const reader = (ReaderConfig: JsonObject): JsonObject =>
  machine(map({ ItemReader: { Resource: 'file:read', Parameters: { path: 'a' }, ReaderConfig } }))
const writer = (ResultWriter: JsonObject): JsonObject => machine(map({ ResultWriter }))

const errorsOf = (definition: JsonObject, type?: 'EXPRESS'): string[] =>
  validate(definition, type ? { type } : {})
    .findings.filter(({ severity }) => severity === 'error')
    .map(({ code, location }) => `${code} ${location}`)

describe('validate() refuses in a distributed Map', () => {
  const config = '/States/S/ItemReader/ReaderConfig'
  const cases: [what: string, definition: JsonObject, expected: string[]][] = [
    ['an unknown kind of items', reader({ InputType: 'XML' }), [`INVALID_VALUE ${config}/InputType`]],
    ['an unknown delimiter', reader({ InputType: 'CSV', CSVDelimiter: ';' }), [`INVALID_VALUE ${config}/CSVDelimiter`]],
    ['a misspelt limit', reader({ InputType: 'CSV', MaxItem: 5 }), [`UNKNOWN_FIELD ${config}/MaxItem`]],
    [
      'headers that are no texts',
      reader({ InputType: 'CSV', CSVHeaderLocation: 'GIVEN', CSVHeaders: [1] }),
      [`INVALID_VALUE ${config}/CSVHeaders`],
    ],
    [
      'a pointer without a slash, which would stand for the whole document',
      reader({ InputType: 'JSON', ItemsPointer: 'items' }),
      [`INVALID_VALUE ${config}/ItemsPointer`],
    ],
    ['an unknown transformation', reader({ Transformation: 'FLATTEN' }), [`INVALID_VALUE ${config}/Transformation`]],
    [
      'an unknown field of the reader',
      machine(map({ ItemReader: { Resource: 'file:read', Config: {} } })),
      ['UNKNOWN_FIELD /States/S/ItemReader/Config'],
    ],
    [
      'batches of nothing',
      machine(map({ ItemBatcher: { MaxItemsPerBatch: 0 } })),
      ['INVALID_VALUE /States/S/ItemBatcher/MaxItemsPerBatch'],
    ],
    [
      'a misspelt field of the batcher',
      machine(map({ ItemBatcher: { MaxItemsPerBatch: 2, Input: {} } })),
      ['UNKNOWN_FIELD /States/S/ItemBatcher/Input'],
    ],
    [
      'an unknown shape of results',
      writer({ WriterConfig: { Transformation: 'FLAT', OutputType: 'CSV' } }),
      [
        'INVALID_VALUE /States/S/ResultWriter/WriterConfig/Transformation',
        'INVALID_VALUE /States/S/ResultWriter/WriterConfig/OutputType',
      ],
    ],
    ['a label with a space', machine(map({ Label: 'my map' })), ['INVALID_VALUE /States/S/Label']],
    ['an empty label', machine(map({ Label: '' })), ['INVALID_VALUE /States/S/Label']],
    ['a long label', machine(map({ Label: 'x'.repeat(41) })), ['INVALID_VALUE /States/S/Label']],
    [
      'the same label twice',
      machine({ ...map({ Label: 'A' }), End: false, Next: 'T' }, { T: map({ Label: 'A' }) }),
      ['NOT_ALLOWED /States/T/Label', 'DUPLICATE_STATE_NAME /States/T/ItemProcessor/States/I'],
    ],
  ]
  for (const [what, definition, expected] of cases) {
    test(what, () => assert.deepEqual(errorsOf(definition), expected))
  }

  test('all of it where the run is an express one', () => {
    assert.deepEqual(errorsOf(machine(map({})), 'EXPRESS'), ['NOT_ALLOWED /States/S'])
  })
})

describe('validate() accepts in a distributed Map', () => {
  const cases: [what: string, definition: JsonObject][] = [
    [
      'all settings of CSV',
      reader({ InputType: 'CSV', CSVDelimiter: 'TAB', CSVHeaderLocation: 'FIRST_ROW', MaxItems: 0 }),
    ],
    ['a pointer into a document', reader({ InputType: 'JSON', ItemsPointer: '/a/0', MaxItemsPath: '$.n' })],
    ['objects that are listed and read', reader({ InputType: 'JSONL', Transformation: 'LOAD_AND_FLATTEN' })],
    ['results in lines', writer({ WriterConfig: { Transformation: 'FLATTEN', OutputType: 'JSONL' } })],
    ['a label', machine(map({ Label: 'Ünïque-label_1.a' }))],
  ]
  for (const [what, definition] of cases) test(what, () => assert.deepEqual(errorsOf(definition), []))
})
