/** Turns the text of a data set into the items of a Map, as `ReaderConfig` says. Hosts read the bytes, this reads the text. */
import type { Json, JsonObject } from '../../platform/json.ts'
import { AslError, STATES } from '../errors.ts'
import { isObject } from '../values.ts'
import { makeCsvReader } from './csv.ts'

export interface ItemParser {
  /** The items that are complete after this piece of text. */
  push(text: string): Json[]
  end(): Json[]
}

const DELIMITERS: Readonly<Record<string, string>> = {
  COMMA: ',',
  PIPE: '|',
  SEMICOLON: ';',
  SPACE: ' ',
  TAB: '\t',
}

/**
 * `config` is a `ReaderConfig` with its paths resolved: `InputType` (CSV, JSON, JSONL), `CSVHeaderLocation`, `CSVHeaders`,
 * `CSVDelimiter`, `ItemsPointer`, `MaxItems`. Throws `States.ItemReaderFailed`, here or later, for data it cannot read.
 * CSV and JSONL are read as they come; JSON is held until its end.
 */
export const makeItemParser = (config: JsonObject): ItemParser => {
  const parser = makeParser(config)
  const most = typeof config.MaxItems === 'number' && config.MaxItems > 0 ? config.MaxItems : Number.POSITIVE_INFINITY
  let given = 0
  const cut = (items: Json[]): Json[] => {
    const kept = items.length > most - given ? items.slice(0, Math.max(most - given, 0)) : items
    given += kept.length
    return kept
  }
  return { push: (text) => cut(parser.push(text)), end: () => cut(parser.end()) }
}

/** All items of a text at once. */
export const parseItems = (text: string, config: JsonObject): Json[] => {
  const parser = makeItemParser(config)
  return [...parser.push(text), ...parser.end()]
}

const makeParser = (config: JsonObject): ItemParser => {
  switch (config.InputType) {
    case 'CSV':
      return makeCsvParser(config)
    case 'JSONL':
      return makeLinesParser()
    case 'JSON':
    case undefined:
      return makeJsonParser(config)
    default:
      throw failed(`Items of the type ${JSON.stringify(config.InputType)} cannot be read here.`)
  }
}

const failed = (cause: string): AslError => new AslError(STATES.itemReaderFailed, cause)

const makeCsvParser = (config: JsonObject): ItemParser => {
  const reader = makeCsvReader(DELIMITERS[String(config.CSVDelimiter ?? 'COMMA')] ?? ',')
  let headers = config.CSVHeaderLocation === 'GIVEN' ? checkHeaders(config.CSVHeaders as string[]) : undefined
  const toItems = (rows: readonly string[][]): Json[] => {
    const items: Json[] = []
    for (const row of rows) {
      if (headers) items.push(toItem(row, headers))
      else headers = checkHeaders(row)
    }
    return items
  }
  return { push: (text) => toItems(reader.push(text)), end: () => toItems(reader.end()) }
}

const checkHeaders = (headers: readonly string[]): readonly string[] => {
  if (new Set(headers).size < headers.length) throw failed('CSV headers cannot contain duplicates.')
  return headers
}

/** Fields beyond the headers are dropped; those that are missing are empty. */
const toItem = (row: readonly string[], headers: readonly string[]): Json =>
  Object.fromEntries(headers.map((header, i) => [header, row[i] ?? '']))

const makeLinesParser = (): ItemParser => {
  let rest = ''
  const parse = (line: string): Json[] => (line.trim() === '' ? [] : [parseJson(line)])
  return {
    push(text) {
      const lines = (rest + text).split('\n')
      rest = lines.pop()!
      return lines.flatMap(parse)
    },
    end() {
      const last = rest
      rest = ''
      return parse(last)
    },
  }
}

const makeJsonParser = (config: JsonObject): ItemParser => {
  const pieces: string[] = []
  return {
    push(text) {
      pieces.push(text)
      return []
    },
    end() {
      const whole = pieces.join('')
      const found = pointTo(parseJson(whole), config.ItemsPointer)
      if (Array.isArray(found)) return found
      throw failed('Attempting to map over non-iterable node.')
    },
  }
}

const parseJson = (text: string): Json => {
  try {
    return JSON.parse(text) as Json
  } catch (error) {
    throw failed(`The items are not JSON: ${(error as Error).message}`)
  }
}

/** `ItemsPointer` is a JSON Pointer (RFC 6901) to the array within the document. */
const pointTo = (document: Json, pointer: Json | undefined): Json | undefined => {
  if (typeof pointer !== 'string' || pointer === '') return document
  let value: Json | undefined = document
  for (const part of pointer.split('/').slice(1)) {
    const key = part.replaceAll('~1', '/').replaceAll('~0', '~')
    if (Array.isArray(value)) value = value[Number(key)]
    else value = isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined
  }
  return value
}
