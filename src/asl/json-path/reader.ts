/** A cursor over a short text, for the hand-written parsers of paths and intrinsic functions. */

export interface Reader {
  done(): boolean
  /** Where the cursor stands, for `since`. */
  place(): number
  /** What was read from that place on. */
  since(place: number): string
  /** The next character, or '' at the end. */
  peek(): string
  take(text: string): boolean
  expect(text: string): void
  takeWhile(pattern: RegExp): string
  skipSpace(): void
  /** A text in single or double quotes, with backslash escapes. */
  quoted(): string
  /** A whole number, perhaps negative, or undefined when there is none. */
  integer(): number | undefined
  error(message: string): Error
}

export const makeReader = (source: string): Reader => {
  let at = 0
  const error = (message: string): Error => new Error(`${message} at character ${at + 1} of '${source}'`)
  const peek = (): string => {
    const code = source.codePointAt(at)
    return code === undefined ? '' : String.fromCodePoint(code)
  }
  const take = (text: string): boolean => {
    if (!source.startsWith(text, at)) return false
    at += text.length
    return true
  }
  const takeWhile = (pattern: RegExp): string => {
    const from = at
    for (let ch = peek(); ch !== '' && pattern.test(ch); ch = peek()) at += ch.length
    return source.slice(from, at)
  }
  return {
    error,
    peek,
    take,
    takeWhile,
    done: () => at >= source.length,
    place: () => at,
    since: (place) => source.slice(place, at),
    expect(text) {
      if (!take(text)) throw error(`expected '${text}'`)
    },
    skipSpace() {
      while (at < source.length && /\s/.test(source[at]!)) at++
    },
    quoted() {
      const quote = source[at]
      if (quote !== "'" && quote !== '"') throw error('expected a quoted text')
      at++
      let text = ''
      for (;;) {
        if (at >= source.length) throw error('a quoted text does not end')
        const ch = source[at++]!
        if (ch === quote) return text
        text += ch === '\\' ? readEscape(quote) : ch
      }
    },
    integer() {
      const match = /^-?\d+/.exec(source.slice(at, at + 20))
      if (!match) return undefined
      at += match[0].length
      return Number(match[0])
    },
  }

  /** Only the quote and the backslash itself can be escaped; before anything else a backslash is a character. */
  function readEscape(quote: string): string {
    const ch = source[at++]
    if (ch === undefined) throw error('a quoted text does not end')
    return ch === quote || ch === '\\' ? ch : `\\${ch}`
  }
}
