/** Checks where the items of a distributed Map come from, how they are batched and where its results go. */
import type { Json, JsonObject } from '../../platform/json.ts'
import type { QueryLanguage } from '../query/focus.ts'
import { checkPath, checkTemplate } from './expressions.ts'
import { notSupported, oneOf, type Place, requireFields } from './report.ts'
import { checkNumber, checkValue } from './values.ts'

/** A slip in a name would otherwise be a setting that is silently not there. */
const refuseUnknown = (fields: JsonObject, known: readonly string[], place: Place): void => {
  for (const key of Object.keys(fields)) {
    if (key !== 'Comment' && !known.includes(key)) place.at(key).error('UNKNOWN_FIELD', notSupported(key))
  }
}

const checkOneOf = (fields: JsonObject, name: string, allowed: readonly string[], place: Place): void => {
  const value = fields[name]
  if (value === undefined || (typeof value === 'string' && allowed.includes(value))) return
  place.at(name).error('INVALID_VALUE', oneOf(name, allowed))
}

/** A number that may also come by a path, or in JSONata by an expression. */
const checkNumberField = (
  fields: JsonObject,
  name: string,
  least: number,
  language: QueryLanguage,
  place: Place,
): void => {
  const value = fields[name]
  const path = fields[`${name}Path`]
  if (value !== undefined)
    checkNumber(value, { least, most: Number.MAX_SAFE_INTEGER, whole: true }, language, place.at(name))
  if (path === undefined) return
  const at = place.at(`${name}Path`)
  if (language === 'JSONata') at.error('NOT_ALLOWED', 'paths do not belong to JSONata')
  else if (value !== undefined) at.error('NOT_ALLOWED', `only one of '${name}' and '${name}Path' may be given`)
  else checkPath(path, at)
}

const checkResource = (fields: JsonObject, language: QueryLanguage, place: Place): void => {
  const foreign = language === 'JSONata' ? 'Parameters' : 'Arguments'
  const own = language === 'JSONata' ? 'Arguments' : 'Parameters'
  if (fields[foreign] !== undefined)
    place.at(foreign).error('NOT_ALLOWED', `'${foreign}' does not belong to ${language}`)
  if (fields[own] !== undefined) checkTemplate(fields[own], language, place.at(own))
  if (fields.Resource !== undefined) checkValue(fields.Resource, 'text', 'JSONPath', place.at('Resource'))
}

const READER_CONFIG: readonly string[] = [
  ...['InputType', 'Transformation', 'ManifestType', 'CSVDelimiter', 'CSVHeaderLocation', 'CSVHeaders'],
  ...['ItemsPointer', 'MaxItems', 'MaxItemsPath'],
]

export const checkReader = (reader: JsonObject, language: QueryLanguage, place: Place): void => {
  refuseUnknown(reader, ['Resource', 'Parameters', 'Arguments', 'ReaderConfig'], place)
  requireFields(reader, ['Resource'], place)
  checkResource(reader, language, place)
  const config = reader.ReaderConfig
  if (config === undefined) return
  const at = place.at('ReaderConfig')
  checkValue(config, 'object', language, at)
  if (typeof config === 'object' && config !== null && !Array.isArray(config)) checkReaderConfig(config, language, at)
}

/** The values are those of the service's developer guide. */
const checkReaderConfig = (config: JsonObject, language: QueryLanguage, at: Place): void => {
  refuseUnknown(config, READER_CONFIG, at)
  checkOneOf(config, 'InputType', ['CSV', 'JSON', 'JSONL', 'PARQUET', 'MANIFEST'], at)
  checkOneOf(config, 'Transformation', ['NONE', 'LOAD_AND_FLATTEN'], at)
  checkOneOf(config, 'ManifestType', ['ATHENA_DATA', 'S3_INVENTORY'], at)
  checkOneOf(config, 'CSVDelimiter', ['COMMA', 'PIPE', 'SEMICOLON', 'SPACE', 'TAB'], at)
  checkOneOf(config, 'CSVHeaderLocation', ['FIRST_ROW', 'GIVEN'], at)
  checkNumberField(config, 'MaxItems', 0, language, at)
  const { CSVHeaderLocation, CSVHeaders, ItemsPointer } = config
  if (CSVHeaderLocation === 'GIVEN' && CSVHeaders === undefined) {
    at.error('MISSING_FIELD', "the field 'CSVHeaders' is required when the headers are GIVEN")
  }
  if (CSVHeaders !== undefined && !isListOfTexts(CSVHeaders)) {
    at.at('CSVHeaders').error('INVALID_VALUE', 'must be an array of strings')
  }
  if (ItemsPointer !== undefined && !isPointer(ItemsPointer)) {
    at.at('ItemsPointer').error('INVALID_VALUE', 'must be a JSON Pointer such as /inventory/products')
  }
}

const isListOfTexts = (value: Json): boolean => Array.isArray(value) && value.every((item) => typeof item === 'string')

const isPointer = (value: Json): boolean => typeof value === 'string' && (value === '' || value.startsWith('/'))

const BATCH_LIMITS = ['MaxItemsPerBatch', 'MaxItemsPerBatchPath', 'MaxInputBytesPerBatch', 'MaxInputBytesPerBatchPath']

export const checkBatcher = (batcher: JsonObject, language: QueryLanguage, place: Place): void => {
  refuseUnknown(batcher, ['BatchInput', ...BATCH_LIMITS], place)
  checkNumberField(batcher, 'MaxItemsPerBatch', 1, language, place)
  checkNumberField(batcher, 'MaxInputBytesPerBatch', 1, language, place)
  if (batcher.BatchInput !== undefined) checkTemplate(batcher.BatchInput, language, place.at('BatchInput'))
  if (!BATCH_LIMITS.some((name) => batcher[name] !== undefined)) {
    place.error('MISSING_FIELD', `one of ${BATCH_LIMITS.join(', ')} is required`)
  }
}

export const checkWriter = (writer: JsonObject, language: QueryLanguage, place: Place): void => {
  refuseUnknown(writer, ['Resource', 'Parameters', 'Arguments', 'WriterConfig'], place)
  checkResource(writer, language, place)
  const config = writer.WriterConfig
  if (writer.Resource === undefined && config === undefined && Object.keys(writer).length > 0) {
    place.error('MISSING_FIELD', "one of 'Resource' and 'WriterConfig' is required")
  }
  if (config === undefined) return
  const at = place.at('WriterConfig')
  checkValue(config, 'object', language, at)
  if (typeof config !== 'object' || config === null || Array.isArray(config)) return
  refuseUnknown(config, ['Transformation', 'OutputType'], at)
  checkOneOf(config, 'Transformation', ['NONE', 'COMPACT', 'FLATTEN'], at)
  checkOneOf(config, 'OutputType', ['JSON', 'JSONL'], at)
}
