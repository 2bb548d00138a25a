/** The regular expressions of filters, `[?(@.name =~ /a.*b/i)]`: they must match a whole text, and cannot stall the process. */
import { makeRegexEngine } from '../../platform/jsonata.ts'
import { runtimeError } from '../errors.ts'

export type Pattern = (text: string) => boolean

/** Steps of one match, the same as an evaluation in JSONata may take. */
const MOST_STEPS = 500_000

/** Throws a plain `Error` for an expression that is none, or that has something which is not supported. */
export const compilePattern = (source: string, flags: string): Pattern => {
  if (!/^[im]*$/.test(flags)) throw new Error(`the flags '${flags}' of a regular expression are not supported`)
  let steps = 0
  const Engine = makeRegexEngine((more) => {
    steps += more
    if (steps > MOST_STEPS) throw runtimeError(`The regular expression /${source}/ takes too long.`)
  })
  // Checked by itself first, so that it cannot close the group around it.
  const plain = new RegExp(source, flags)
  const whole = new Engine(new RegExp(`(?<![^])(?:${plain.source})(?![^])`, flags))
  return (text) => {
    steps = 0
    whole.lastIndex = 0
    return whole.exec(text) !== null
  }
}
