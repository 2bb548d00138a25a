/** Reads the text of a definition: JSON or YAML. */
import { LineCounter, parseDocument } from 'yaml'
import type { Json, JsonObject } from '../platform/json.ts'
import type { Finding } from './finding.ts'
import { isObject } from './values.ts'

export type ParsedDefinition =
  | { readonly ok: true; readonly definition: JsonObject }
  | { readonly ok: false; readonly findings: readonly Finding[] }

/** Longer texts are refused: the service allows a megabyte. */
const LONGEST_TEXT = 1_048_576

/** Never throws. An object passes through; what it may contain is `validate`'s business. */
export const parseDefinition = (source: string | object, format?: 'json' | 'yaml'): ParsedDefinition => {
  if (typeof source !== 'string')
    return isObject(source) ? { ok: true, definition: source } : refused('A definition must be an object.')
  if (source.length > LONGEST_TEXT) return refused(`A definition must not be longer than ${LONGEST_TEXT} characters.`)
  const parsed = (format ?? guessFormat(source)) === 'json' ? parseJson(source) : parseYaml(source)
  if ('error' in parsed) return refused(parsed.error)
  return isObject(parsed.value) ? { ok: true, definition: parsed.value } : refused('A definition must be an object.')
}

const guessFormat = (source: string): 'json' | 'yaml' => (/^\s*[{[]/.test(source) ? 'json' : 'yaml')

type Parsed = { readonly value: Json } | { readonly error: string }

const parseJson = (source: string): Parsed => {
  try {
    return { value: JSON.parse(source) as Json }
  } catch (error) {
    return { error: `The definition is not JSON: ${(error as Error).message}` }
  }
}

const parseYaml = (source: string): Parsed => {
  const lines = new LineCounter()
  const document = parseDocument(source, { lineCounter: lines, uniqueKeys: true, schema: 'core', prettyErrors: false })
  const problem = document.errors[0]
  if (problem) {
    const { line, col } = lines.linePos(problem.pos[0])
    return { error: `The definition is not YAML: ${problem.message} (line ${line}, column ${col})` }
  }
  try {
    // Aliases may blow up a small text into a huge value; a definition hardly needs any.
    return { value: toPlainJson(document.toJS({ maxAliasCount: 100 })) }
  } catch (error) {
    return { error: `The definition is not YAML: ${(error as Error).message}` }
  }
}

/** YAML knows values that JSON does not, such as NaN, dates and keys that are no texts. */
const toPlainJson = (value: unknown): Json => JSON.parse(JSON.stringify(value ?? null)) as Json

const refused = (message: string): ParsedDefinition => ({
  ok: false,
  findings: [{ severity: 'error', code: 'INVALID_JSON_DESCRIPTION', location: '', message }],
})
