/** JSON as the service reads it: the first value in a text counts, what stands behind it is not looked at. */
import type { Json } from '../../platform/json.ts'

/** Throws a `SyntaxError` for a text that does not begin with a value. A text of nothing but spaces stands for no value. */
export const parseLeadingJson = (text: string): Json => {
  const start = text.search(/[^ \t\r\n]/)
  if (start < 0) return null
  try {
    return JSON.parse(text) as Json
  } catch (error) {
    const end = endOfValue(text, start)
    if (end === undefined) throw error
    return JSON.parse(text.slice(start, end)) as Json
  }
}

/** Where the value that begins there is over, or `undefined`. Whether it is well-formed is not asked here. */
const endOfValue = (text: string, start: number): number | undefined => {
  const first = text[start]!
  if (first === '{' || first === '[') return endOfBrackets(text, start)
  if (first === '"') return endOfString(text, start)
  // A number needs a space behind it, a word anything that does not go on with it.
  const match = /^(?:-?\d[\d.eE+-]*(?=[ \t\r\n])|(?:true|false|null)(?![\w$]))/.exec(text.slice(start))
  return match ? start + match[0].length : undefined
}

const endOfBrackets = (text: string, start: number): number | undefined => {
  let depth = 0
  for (let at = start; at < text.length; at++) {
    const ch = text[at]!
    if (ch === '"') {
      const end = endOfString(text, at)
      if (end === undefined) return undefined
      at = end - 1
    } else if (ch === '{' || ch === '[') depth++
    else if ((ch === '}' || ch === ']') && --depth === 0) return at + 1
  }
  return undefined
}

const endOfString = (text: string, start: number): number | undefined => {
  for (let at = start + 1; at < text.length; at++) {
    if (text[at] === '\\') at++
    else if (text[at] === '"') return at + 1
  }
  return undefined
}
