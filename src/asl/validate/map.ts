/** Checks what only Maps have: the processor, the reader, the batcher and the writer. */
import type { Json, JsonObject } from '../../platform/json.ts'
import type { QueryLanguage } from '../query/focus.ts'
import { isObject } from '../values.ts'
import { checkPath, checkTemplate } from './expressions.ts'
import type { Kind } from './fields.ts'
import type { Place } from './report.ts'
import { checkValue } from './values.ts'

const ONLY_DISTRIBUTED = ['ItemReader', 'ItemBatcher', 'ResultWriter', 'Label']

export const checkMap = (state: JsonObject, language: QueryLanguage, place: Place) => {
  const processor = state.ItemProcessor ?? state.Iterator
  if (processor === undefined) return place.error('MISSING_FIELD', "the field 'ItemProcessor' is required")
  const config = isObject(processor) ? processor.ProcessorConfig : undefined
  const isDistributed = isObject(config) && config.Mode === 'DISTRIBUTED'
  if (config !== undefined)
    checkProcessorConfig(config, place.at(state.ItemProcessor ? 'ItemProcessor' : 'Iterator').at('ProcessorConfig'))
  for (const field of ONLY_DISTRIBUTED) {
    if (state[field] !== undefined && !isDistributed) {
      place.at(field).error('NOT_ALLOWED', `'${field}' needs the processor's Mode to be DISTRIBUTED`)
    }
  }
  if (isObject(state.ItemReader)) checkReader(state.ItemReader, language, place.at('ItemReader'))
  if (isObject(state.ItemBatcher)) checkBatcher(state.ItemBatcher, language, place.at('ItemBatcher'))
  if (isObject(state.ResultWriter)) checkWriter(state.ResultWriter, language, place.at('ResultWriter'))
}

const checkProcessorConfig = (config: Json, place: Place) => {
  if (!isObject(config)) return place.error('INVALID_VALUE', 'must be an object')
  const { Mode, ExecutionType } = config
  if (Mode !== undefined && Mode !== 'INLINE' && Mode !== 'DISTRIBUTED') {
    place.at('Mode').error('INVALID_VALUE', 'must be INLINE or DISTRIBUTED')
  }
  if (ExecutionType !== undefined && ExecutionType !== 'STANDARD' && ExecutionType !== 'EXPRESS') {
    place.at('ExecutionType').error('INVALID_VALUE', 'must be STANDARD or EXPRESS')
  }
}

/** The name and kind of a number that may also come by a path, or in JSONata by an expression. */
const checkNumberField = (
  fields: JsonObject,
  name: string,
  kind: Kind,
  language: QueryLanguage,
  place: Place,
): void => {
  const path = fields[`${name}Path`]
  if (fields[name] !== undefined) checkValue(fields[name], kind, language, place.at(name))
  if (path === undefined) return
  const at = place.at(`${name}Path`)
  if (language === 'JSONata') at.error('NOT_ALLOWED', 'paths do not belong to JSONata')
  else if (fields[name] !== undefined) at.error('NOT_ALLOWED', `only one of '${name}' and '${name}Path' may be given`)
  else checkPath(path, at)
}

const checkResource = (fields: JsonObject, language: QueryLanguage, place: Place): void => {
  const foreign = language === 'JSONata' ? 'Parameters' : 'Arguments'
  const own = language === 'JSONata' ? 'Arguments' : 'Parameters'
  if (fields[foreign] !== undefined)
    place.at(foreign).error('NOT_ALLOWED', `'${foreign}' does not belong to ${language}`)
  if (fields[own] !== undefined) checkTemplate(fields[own], language, place.at(own))
  if (fields.Resource !== undefined && typeof fields.Resource !== 'string') {
    place.at('Resource').error('INVALID_VALUE', 'must be a string')
  }
}

const checkReader = (reader: JsonObject, language: QueryLanguage, place: Place) => {
  if (reader.Resource === undefined) place.error('MISSING_FIELD', "the field 'Resource' is required")
  checkResource(reader, language, place)
  const config = reader.ReaderConfig
  if (config === undefined) return
  const at = place.at('ReaderConfig')
  if (!isObject(config)) return at.error('INVALID_VALUE', 'must be an object')
  checkNumberField(config, 'MaxItems', 'count', language, at)
  const { CSVHeaderLocation, CSVHeaders } = config
  if (CSVHeaderLocation !== undefined && CSVHeaderLocation !== 'FIRST_ROW' && CSVHeaderLocation !== 'GIVEN') {
    at.at('CSVHeaderLocation').error('INVALID_VALUE', 'must be FIRST_ROW or GIVEN')
  }
  if (CSVHeaderLocation === 'GIVEN' && !Array.isArray(CSVHeaders)) {
    at.error('MISSING_FIELD', "the field 'CSVHeaders' is required when the headers are GIVEN")
  }
}

const checkBatcher = (batcher: JsonObject, language: QueryLanguage, place: Place): void => {
  checkNumberField(batcher, 'MaxItemsPerBatch', 'count', language, place)
  checkNumberField(batcher, 'MaxInputBytesPerBatch', 'count', language, place)
  if (batcher.BatchInput !== undefined) checkTemplate(batcher.BatchInput, language, place.at('BatchInput'))
  const limits = ['MaxItemsPerBatch', 'MaxItemsPerBatchPath', 'MaxInputBytesPerBatch', 'MaxInputBytesPerBatchPath']
  if (!limits.some((name) => batcher[name] !== undefined)) {
    place.error('MISSING_FIELD', `one of ${limits.join(', ')} is required`)
  }
}

const checkWriter = (writer: JsonObject, language: QueryLanguage, place: Place): void => {
  checkResource(writer, language, place)
  if (writer.Resource === undefined && writer.WriterConfig === undefined && Object.keys(writer).length > 0) {
    place.error('MISSING_FIELD', "one of 'Resource' and 'WriterConfig' is required")
  }
}
