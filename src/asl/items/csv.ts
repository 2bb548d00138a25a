/**
 * Comma-separated values, read piece by piece, by the rules of the service: fields may be quoted, rows end with any line ending, a
 * quote stands doubled in any field, and a backslash takes their meaning from quotes, separators and backslashes.
 */

export interface CsvReader {
  /** The rows that are complete after this piece. */
  push(text: string): string[][]
  /** The last row, when the text did not end with a line ending. */
  end(): string[][]
}

export const makeCsvReader = (delimiter = ','): CsvReader => {
  let row: string[] = []
  let field = ''
  let quoted = false
  /** A quote, a backslash or a CR, of which only the next character says what it meant. */
  let pending: '' | '"' | '\\' | '\r' = ''
  let anything = false
  let rows: string[][] = []

  const endField = (): void => {
    row.push(field)
    field = ''
  }
  const endRow = (): void => {
    // A line without any character is no row; one with a separator or a space is.
    if (anything) {
      endField()
      rows.push(row)
    }
    row = []
    field = ''
    anything = false
  }
  /** One quote alone ends the quotes, or is a character like any other where there are none. */
  const endQuote = (): void => {
    if (!quoted) field += '"'
    quoted = false
  }
  const take = (ch: string): void => {
    const before = pending
    pending = ''
    if (before === '\r' && ch === '\n') return
    if (before === '"') {
      if (ch === '"') {
        field += '"'
        return
      }
      endQuote()
    }
    if (before === '\\' && (ch === '\\' || ch === '"' || ch === delimiter)) {
      field += ch
    } else if (ch === '\\') {
      anything = true
      pending = ch
    } else if (quoted) {
      if (ch === '"') pending = '"'
      else field += ch
    } else if (ch === '\r' || ch === '\n') {
      endRow()
      if (ch === '\r') pending = '\r'
    } else {
      anything = true
      if (ch === '"' && field === '') quoted = true
      else if (ch === '"') pending = '"'
      else if (ch === delimiter) endField()
      else field += ch
    }
  }
  const taken = (): string[][] => {
    const complete = rows
    rows = []
    return complete
  }
  return {
    push(text) {
      for (const ch of text) take(ch)
      return taken()
    },
    end() {
      if (pending === '"') endQuote()
      endRow()
      return taken()
    },
  }
}
