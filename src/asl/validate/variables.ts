/** Follows workflow variables through a definition: who reads which, and whether anybody has assigned them. */
import type { Json, JsonObject } from '../../platform/json.ts'
import { compileJsonata } from '../../platform/jsonata.ts'
import type { Finding } from '../finding.ts'
import { isIntrinsic, parseIntrinsic, pathsOf } from '../intrinsics/parse.ts'
import { parsePath } from '../json-path/parse.ts'
import type { QueryLanguage } from '../query/focus.ts'
import { expressionText, isExpression } from '../query/jsonata.ts'
import { addedFunctions } from '../query/jsonata-functions.ts'
import { isObject } from '../values.ts'
import { eachText } from './evaluated.ts'
import { makePlace, type Place, statePlace } from './report.ts'

/** Names of the variables that each state reads, sorted; states that read none are left out. For a valid definition. */
export const variableReferences = (definition: JsonObject): Record<string, string[]> => {
  const found: Record<string, string[]> = {}
  eachState(definition, 'JSONPath', (name, state, language) => {
    const read = new Set(found[name])
    readBy(state, language, (variable) => read.add(variable))
    if (read.size > 0) found[name] = [...read].sort()
  })
  return found
}

/** Adds findings to those of a definition that has no errors so far. */
export const checkVariables = (definition: JsonObject, findings: Finding[]): void =>
  checkScope(definition, 'JSONPath', new Set(), findings, makePlace(findings))

const checkScope = (
  machine: JsonObject,
  outer: QueryLanguage,
  /** Assigned by an outer machine: they can be read here, and not be assigned. */
  inherited: ReadonlySet<string>,
  findings: Finding[],
  place: Place,
): void => {
  const language = (machine.QueryLanguage as QueryLanguage | undefined) ?? outer
  const states = machine.States as Record<string, JsonObject>
  const assigned = new Set<string>()
  for (const [name, state] of Object.entries(states)) {
    for (const variable of assignedBy(state)) {
      assigned.add(variable)
      if (!inherited.has(variable)) continue
      const at = statePlace(findings, place, name).at('Assign')
      at.error('NOT_ALLOWED', `the variable '${variable}' belongs to an outer scope and can only be read here`)
    }
  }
  const visible = new Set([...inherited, ...assigned])
  for (const [name, state] of Object.entries(states)) {
    const at = statePlace(findings, place, name)
    const own = (state.QueryLanguage as QueryLanguage | undefined) ?? language
    const missing = new Set<string>()
    readBy(state, own, (variable) => !visible.has(variable) && missing.add(variable))
    for (const variable of missing) {
      at.warn(
        'UNASSIGNED_VARIABLE',
        `the variable '${variable}' is read, but no state that comes into question assigns it`,
      )
    }
    for (const [inner, pointer] of innerMachines(state)) {
      // The children of a distributed Map are runs of their own: they see nothing of this one.
      const next = isDistributed(inner) ? new Set<string>() : visible
      checkScope(
        inner,
        language,
        next,
        findings,
        pointer.reduce<Place>((p, key) => p.at(key), at),
      )
    }
  }
}

const isDistributed = (machine: JsonObject): boolean =>
  isObject(machine.ProcessorConfig) && machine.ProcessorConfig.Mode === 'DISTRIBUTED'

const innerMachines = (state: JsonObject): [JsonObject, (string | number)[]][] => {
  if (Array.isArray(state.Branches)) return state.Branches.map((branch, i) => [branch as JsonObject, ['Branches', i]])
  const field = state.ItemProcessor ? 'ItemProcessor' : 'Iterator'
  return isObject(state[field]) ? [[state[field], [field]]] : []
}

const eachState = (
  machine: JsonObject,
  outer: QueryLanguage,
  visit: (name: string, state: JsonObject, language: QueryLanguage) => void,
): void => {
  const language = (machine.QueryLanguage as QueryLanguage | undefined) ?? outer
  for (const [name, state] of Object.entries(machine.States as Record<string, JsonObject>)) {
    const own = (state.QueryLanguage as QueryLanguage | undefined) ?? language
    visit(name, state, own)
    for (const [inner] of innerMachines(state)) eachState(inner, language, visit)
  }
}

const assignedBy = (state: JsonObject): string[] => {
  const places = [state, ...asObjects(state.Catch), ...asObjects(state.Choices)]
  return places.flatMap((place) =>
    Object.keys(isObject(place.Assign) ? place.Assign : {}).map((key) => key.replace(/\.\$$/, '')),
  )
}

const asObjects = (list: Json | undefined): JsonObject[] => (Array.isArray(list) ? list.filter(isObject) : [])

const readBy = (state: JsonObject, language: QueryLanguage, found: (variable: string) => void): void =>
  eachText(state, ({ text, path, isData }) => {
    if (language === 'JSONata') {
      if (isExpression(text)) readByExpression(text, found)
    } else if (isPathField(path[path.length - 1]!, isData)) readByText(text, found)
  })

const readByExpression = (text: string, found: (variable: string) => void): void => {
  for (const name of compileJsonata(expressionText(text)).freeVariables) {
    if (name !== 'states' && !Object.hasOwn(addedFunctions, name)) found(name)
  }
}

/** In data, paths stand where the name ends in `.$`; among the fields of a state in `…Path` and `Variable`. */
const isPathField = (name: string, isData: boolean): boolean =>
  isData ? name.endsWith('.$') : name.endsWith('Path') || name === 'Variable'

const readByText = (text: string, found: (variable: string) => void): void => {
  const paths = isIntrinsic(text) ? pathsOf(parseIntrinsic(text)) : text.startsWith('$') ? [parsePath(text)] : []
  for (const { root } of paths) if (root.kind === 'variable') found(root.name)
}
