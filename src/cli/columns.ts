/** Lists for people: aligned columns, times as ages, and what to do for more. */
import type { CommandCall } from './command.ts'
import type { Style } from './style.ts'
import { formatDuration } from './timeline/draw.ts'

export interface Column<T> {
  readonly title: string
  readonly of: (row: T) => string | number | null | undefined
}

export const formatRows = <T>(rows: readonly T[], columns: readonly Column<T>[], style: Style): string => {
  const cells = rows.map((row) => columns.map(({ of }) => String(of(row) ?? '–')))
  const widths = columns.map(({ title }, i) => Math.max(title.length, ...cells.map((line) => (line[i] ?? '').length)))
  const toLine = (line: readonly string[]): string =>
    line
      .map((cell, i) => cell.padEnd(widths[i]!))
      .join('  ')
      .trimEnd()
  return [style.dim(toLine(columns.map(({ title }) => title))), ...cells.map(toLine)].join('\n')
}

/** How long ago; times of the API are ISO texts. */
export const age = (time: string | null | undefined): string =>
  time ? `${formatDuration(Math.max(Date.now() - Date.parse(time), 0))} ago` : '–'

/** Prints a page; `empty` tells what to do when there is nothing. */
export const showPage = <T>(
  call: CommandCall,
  page: { readonly items: readonly T[]; readonly nextCursor: string | null },
  empty: string,
  columns: readonly Column<T>[],
): number => {
  call.show(page, () => {
    if (page.items.length === 0) return empty
    const more = page.nextCursor === null ? '' : `\n${call.style.dim(`more: add --cursor ${page.nextCursor}`)}`
    return formatRows(page.items, columns, call.style) + more
  })
  return 0
}

/** One thing, field by field; values that are not texts as JSON. */
export const formatFields = (fields: object, style: Style): string => {
  const known = Object.entries(fields).filter(([, value]) => value !== undefined && value !== null)
  const width = Math.max(0, ...known.map(([name]) => name.length))
  return known
    .map(([name, value]) => {
      const text = typeof value === 'string' ? value : JSON.stringify(value, null, 2)
      const isLong = text.includes('\n')
      return `${style.dim(name.padEnd(width))}  ${isLong ? `\n${text.replace(/^/gm, '  ')}` : text}`
    })
    .join('\n')
}

/** Prints one thing. */
export const showFields = (call: CommandCall, thing: object): number => {
  call.show(thing, () => formatFields(thing, call.style))
  return 0
}

/** From the most urgent down. */
export const PRIORITIES = ['critical', 'high', 'normal', 'low'] as const

export const PAGE_OPTIONS = {
  limit: { type: 'text', value: 'N', about: 'Rows at most, up to 500.' },
  cursor: { type: 'text', value: 'CURSOR', about: 'Go on where the list before ended.' },
} as const

export const pageOf = (call: CommandCall) => ({ limit: call.integer('limit', 1, 500), cursor: call.text('cursor') })
