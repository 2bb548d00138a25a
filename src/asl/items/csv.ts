/** Comma-separated values (RFC 4180), read piece by piece: fields may be quoted, rows end with any line ending. */

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
  /** A quote inside quotes, or a CR, of which only the next character says what it meant. */
  let pending: '' | '"' | '\r' = ''
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
  const take = (ch: string): void => {
    if (pending === '"') {
      pending = ''
      if (ch === '"') {
        field += '"'
        return
      }
      quoted = false
    } else if (pending === '\r') {
      pending = ''
      if (ch === '\n') return
    }
    if (quoted) {
      if (ch === '"') pending = '"'
      else field += ch
    } else if (ch === '\r' || ch === '\n') {
      endRow()
      if (ch === '\r') pending = '\r'
    } else {
      anything = true
      if (ch === '"' && field === '') quoted = true
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
      endRow()
      return taken()
    },
  }
}
