/** The text of a function as an expression that can stand by itself. */
import { DefinitionError } from './errors.ts'

const EXPRESSION = /^(async\s*)?(function\b|\(|[\p{ID_Start}$_][\p{ID_Continue}$]*\s*=>)/u

// biome-ignore lint/complexity/noBannedTypes: read as text, never called.
export const functionText = (run: Function | string): string => {
  const text = (typeof run === 'string' ? run : run.toString()).trim()
  if (text.includes('[native code]')) {
    throw new DefinitionError('a bound or built-in function has no text of its own; write the function itself')
  }
  if (text.startsWith('class')) throw new DefinitionError('a class is no tool; write a function')
  // A method, as in `{ run(input) { … } }`, is an expression only inside an object.
  return EXPRESSION.test(text) ? `(${text})` : `Object.values({ ${text} })[0]`
}
