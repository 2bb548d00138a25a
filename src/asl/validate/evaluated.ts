/** Finds the texts of a state that may be evaluated. Comments, names and settings are none, whatever they look like. */
import type { Json } from '../../platform/json.ts'

/** Below these stands what the author of the definition likes. */
const DATA: ReadonlySet<string> = new Set([
  'Arguments',
  'Parameters',
  'Items',
  'ItemSelector',
  'BatchInput',
  'Credentials',
  'ResultSelector',
  'Assign',
  'Output',
])

/** Machines inside a state are states of their own; a literal result is never evaluated. */
const NEVER: ReadonlySet<string> = new Set([
  'Branches',
  'ItemProcessor',
  'Iterator',
  'Result',
  'Retry',
  'Comment',
  'Next',
  'Default',
  'Resource',
  'ErrorEquals',
  'CSVHeaders',
])

export interface Text {
  readonly text: string
  /** From the state down to it; never empty. */
  readonly path: readonly string[]
  /** Whether it is part of data: names of fields mean nothing there, but for a `.$` at their end. */
  readonly isData: boolean
}

export const eachText = (
  value: Json,
  found: (text: Text) => void,
  path: readonly string[] = [],
  isData = false,
): void => {
  if (typeof value === 'string') found({ text: value, path, isData })
  else if (typeof value === 'object' && value !== null) {
    for (const [key, inner] of Object.entries(value)) {
      if (isData || !NEVER.has(key)) eachText(inner, found, [...path, key], isData || DATA.has(key))
    }
  }
}
