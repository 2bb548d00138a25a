/** The regular expressions of filters, `[?(@.name =~ /a.*b/i)]`: they must match a whole text, and cannot stall the process. */
import { makeRegexEngine } from '../../platform/jsonata.ts'
import { AslError } from '../errors.ts'
import { type Search, takesTooLong } from './search.ts'

/** The steps that a match takes count as work of the search. */
export type Pattern = (text: string, search: Search) => boolean

/** Escapes that mean the same to the service as here. Others, such as `\p{L}`, would not fail but match something else. */
const COMMON_ESCAPES = 'bBcdDfknrsStuwWx'

/** Throws a plain `Error` for an expression that is none, or that has something which is not supported. */
export const compilePattern = (source: string, flags: string): Pattern => {
  if (!/^[im]*$/.test(flags)) throw new Error(`the flags '${flags}' of a regular expression are not supported`)
  for (const [text, ch = ''] of source.matchAll(/\\(.)/gs)) {
    if (/[A-Za-z]/.test(ch) && !COMMON_ESCAPES.includes(ch)) throw new Error(`${text} is not supported`)
  }
  // A class within a class, or what two have in common.
  if (/\[[^\]]*(\[|&&)/.test(source.replace(/\\./gs, ''))) throw new Error('a class within a class is not supported')
  let spend: Search['spend'] | undefined
  const Engine = makeRegexEngine((steps) => spend?.(steps))
  // Checked by itself first, so that it cannot close the group around it.
  const plain = new RegExp(source, flags)
  const whole = new Engine(new RegExp(`(?<![^])(?:${plain.source})(?![^])`, flags))
  return (text, search) => {
    spend = search.spend
    whole.lastIndex = 0
    try {
      return whole.exec(text) !== null
    } catch (error) {
      // The engine has a limit of its own, of choices that are open.
      throw error instanceof AslError ? error : takesTooLong(error)
    }
  }
}
