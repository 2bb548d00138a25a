import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Json, JsonObject } from '../../platform/json.ts'
import type { AslError } from '../errors.ts'
import { makeItemParser, parseItems } from '../index.ts'
import { makeCsvReader } from './csv.ts'

const inPieces = (text: string, config: JsonObject): Json[] => {
  const parser = makeItemParser(config)
  return [...[...text].flatMap((ch) => parser.push(ch)), ...parser.end()]
}

const failsBecause = (cause: RegExp) => (error: AslError) => {
  assert.equal(error.error, 'States.ItemReaderFailed')
  assert.match(String(error.causeText), cause)
  return true
}

describe('makeCsvReader()', () => {
  test('reads quotes, doubled quotes, line ends in quotes and all line endings', () => {
    const reader = makeCsvReader()
    const rows = [...reader.push('a,"b, ""c""\r\nd"\r\n1,2\r3,4\n\n,\n'), ...reader.push('last'), ...reader.end()]
    assert.deepEqual(rows, [['a', 'b, "c"\r\nd'], ['1', '2'], ['3', '4'], ['', ''], ['last']])
  })
})

describe('makeCsvReader() takes by the rules of the service', () => {
  const rows = (text: string, delimiter?: string): string[][] => {
    const reader = makeCsvReader(delimiter)
    return [...[...text].flatMap((ch) => reader.push(ch)), ...reader.end()]
  }

  test('doubled quotes in a field without quotes', () => {
    assert.deepEqual(rows('1,{""MyKey"":""MyValue""},"[1,2,3]"'), [['1', '{"MyKey":"MyValue"}', '[1,2,3]']])
    assert.deepEqual(rows('5" x 3"'), [['5" x 3"']])
  })

  test('backslashes before backslashes, quotes and separators, and none before anything else', () => {
    assert.deepEqual(rows('C:\\\\Program Files\\\\MyApp.exe,6534512'), [['C:\\Program Files\\MyApp.exe', '6534512']])
    assert.deepEqual(rows('a\\,b,\\"c\\",\\d'), [['a,b', '"c"', 'd']])
    assert.deepEqual(rows('"x \\"y\\", z",\\'), [['x "y", z', '']])
    assert.deepEqual(rows('a\\|b|c\\,d', '|'), [['a|b', 'c,d']])
  })
})

describe('CSV items', () => {
  const text = 'H1,H2\n1,"x, y"\n2\n3,b,c\n,\n'
  const items = [
    { H1: '1', H2: 'x, y' },
    { H1: '2', H2: '' },
    { H1: '3', H2: 'b' },
    { H1: '', H2: '' },
  ]

  test('take their names from the first row, miss nothing and drop what is too much', () => {
    assert.deepEqual(parseItems(text, { InputType: 'CSV', CSVHeaderLocation: 'FIRST_ROW' }), items)
  })

  test('are the same when the text comes in pieces', () => {
    assert.deepEqual(inPieces(text, { InputType: 'CSV' }), items)
  })

  test('take names that are given, another delimiter, and a limit', () => {
    const config = {
      InputType: 'CSV',
      CSVHeaderLocation: 'GIVEN',
      CSVHeaders: ['A'],
      CSVDelimiter: 'SEMICOLON',
      MaxItems: 2,
    }
    assert.deepEqual(parseItems('1;2\n3;4\n5;6', config), [{ A: '1' }, { A: '3' }])
  })

  test('cannot have a name twice', () => {
    const given = { InputType: 'CSV', CSVHeaderLocation: 'GIVEN', CSVHeaders: ['A', 'A'] }
    assert.throws(() => parseItems('1', given), failsBecause(/duplicates/))
    assert.throws(() => parseItems('A,A\n1,2', { InputType: 'CSV' }), failsBecause(/duplicates/))
  })
})

describe('JSON items', () => {
  test('are the elements of the array, or of the one that ItemsPointer names', () => {
    assert.deepEqual(parseItems('[1, {"a": 2}]', { InputType: 'JSON' }), [1, { a: 2 }])
    assert.deepEqual(parseItems('{"a/b": {"list": [3]}}', { InputType: 'JSON', ItemsPointer: '/a~1b/list' }), [3])
    assert.deepEqual(inPieces('[1, 2, 3]', { InputType: 'JSON', MaxItems: 2 }), [1, 2])
  })

  test('must be an array, and JSON', () => {
    assert.throws(() => parseItems('{"a": 1}', { InputType: 'JSON' }), failsBecause(/non-iterable/))
    assert.throws(() => parseItems('[1', { InputType: 'JSON' }), failsBecause(/not JSON/))
  })

  test('may stand one on each line', () => {
    assert.deepEqual(inPieces('{"a": 1}\n\n2\r\n"x"', { InputType: 'JSONL' }), [{ a: 1 }, 2, 'x'])
  })

  test('of another type are refused', () => {
    assert.throws(() => parseItems('', { InputType: 'PARQUET' }), failsBecause(/PARQUET/))
  })
})
