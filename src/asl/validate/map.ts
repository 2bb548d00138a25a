/** Checks what only Maps have: the processor, and what goes with a distributed one. */
import type { Json, JsonObject } from '../../platform/json.ts'
import type { QueryLanguage } from '../query/focus.ts'
import { isObject } from '../values.ts'
import { checkBatcher, checkReader, checkWriter } from './map-data.ts'
import { oneOf, type Place, requireFields } from './report.ts'

const ONLY_DISTRIBUTED = ['ItemReader', 'ItemBatcher', 'ResultWriter', 'Label']

export interface MapRules {
  readonly language: QueryLanguage
  readonly isExpress: boolean
  /** The labels of other Maps of the definition; that of this one is added. */
  readonly labels: Set<string>
}

export const checkMap = (state: JsonObject, { language, isExpress, labels }: MapRules, place: Place) => {
  const processor = state.ItemProcessor ?? state.Iterator
  if (processor === undefined) return requireFields(state, ['ItemProcessor'], place)
  const config = isObject(processor) ? processor.ProcessorConfig : undefined
  const isDistributed = isObject(config) && config.Mode === 'DISTRIBUTED'
  if (config !== undefined)
    checkProcessorConfig(config, place.at(state.ItemProcessor ? 'ItemProcessor' : 'Iterator').at('ProcessorConfig'))
  if (isDistributed && isExpress) place.error('NOT_ALLOWED', 'an express run cannot have a distributed Map')
  if (typeof state.Label === 'string') checkLabel(state.Label, labels, place.at('Label'))
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
    place.at('Mode').error('INVALID_VALUE', oneOf('Mode', ['INLINE', 'DISTRIBUTED']))
  }
  if (ExecutionType !== undefined && ExecutionType !== 'STANDARD' && ExecutionType !== 'EXPRESS') {
    place.at('ExecutionType').error('INVALID_VALUE', oneOf('ExecutionType', ['STANDARD', 'EXPRESS']))
  }
}

const LONGEST_LABEL = 40
// biome-ignore lint/suspicious/noControlCharactersInRegex: those are what the service refuses.
const NOT_IN_LABEL = /[\s?*<>{}[\]:;,\\|^~$#%&`"\u0000-\u001f\u007f-\u009f]/

/** As the service has it, where a label is part of an ARN. */
const checkLabel = (label: string, labels: Set<string>, place: Place): void => {
  if (label === '') place.error('INVALID_VALUE', 'must not be empty')
  if (label.length > LONGEST_LABEL) place.error('INVALID_VALUE', `must not be longer than ${LONGEST_LABEL} characters`)
  const odd = NOT_IN_LABEL.exec(label)
  if (odd) place.error('INVALID_VALUE', `must not contain ${JSON.stringify(odd[0])}`)
  if (labels.has(label)) place.error('NOT_ALLOWED', `another Map has the label '${label}' already`)
  labels.add(label)
}
