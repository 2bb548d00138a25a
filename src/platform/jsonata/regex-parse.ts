/** Reads a regular expression of JavaScript (without its `u` and `v` modes) into a tree. */

export type RegexNode =
  | { readonly kind: 'empty' }
  | { readonly kind: 'char'; readonly code: number }
  | { readonly kind: 'set'; readonly set: CharSet }
  | { readonly kind: 'sequence'; readonly nodes: readonly RegexNode[] }
  | { readonly kind: 'either'; readonly nodes: readonly RegexNode[] }
  | { readonly kind: 'group'; readonly index: number; readonly node: RegexNode }
  | {
      readonly kind: 'repeat'
      readonly node: RegexNode
      readonly least: number
      readonly most: number
      readonly lazy: boolean
    }
  | { readonly kind: 'edge'; readonly edge: '^' | '$' | 'b' | 'B' }
  | { readonly kind: 'look'; readonly node: RegexNode; readonly behind: boolean; readonly negative: boolean }
  | { readonly kind: 'back'; readonly index: number }
  | { readonly kind: 'named'; readonly name: string }

/** Pairs of first and last UTF-16 code units. */
export interface CharSet {
  readonly ranges: readonly (readonly [number, number])[]
  readonly negative: boolean
}

export interface ParsedRegex {
  readonly node: RegexNode
  /** Capturing groups, without the whole match. */
  readonly groups: number
  readonly names: ReadonlyMap<string, number>
}

const DIGITS: CharSet['ranges'] = [[48, 57]]
const WORDS: CharSet['ranges'] = [
  [48, 57],
  [65, 90],
  [95, 95],
  [97, 122],
]
const SPACES: CharSet['ranges'] = [
  ...[
    [9, 13],
    [32, 32],
    [160, 160],
    [5760, 5760],
    [8192, 8202],
    [8232, 8233],
    [8239, 8239],
    [8287, 8287],
  ],
  ...[
    [12288, 12288],
    [65279, 65279],
  ],
] as [number, number][]
const LINE_ENDS: CharSet['ranges'] = [
  [10, 10],
  [13, 13],
  [8232, 8233],
]
const CONTROLS: Readonly<Record<string, number>> = { t: 9, n: 10, v: 11, f: 12, r: 13, '0': 0 }

export const wordSet: CharSet = { ranges: WORDS, negative: false }

/** Throws a plain `Error` for what it does not know; the text is valid as far as JavaScript is concerned. */
export const parseRegex = (source: string): ParsedRegex => {
  let at = 0
  let groups = 0
  const names = new Map<string, number>()
  const peek = (): string => source[at] ?? ''
  const take = (text: string): boolean => {
    if (!source.startsWith(text, at)) return false
    at += text.length
    return true
  }
  const fail = (what: string): Error => new Error(`${what} in the regular expression /${source}/ is not supported`)

  const either = (): RegexNode => {
    const nodes = [sequence()]
    while (take('|')) nodes.push(sequence())
    return nodes.length === 1 ? nodes[0]! : { kind: 'either', nodes }
  }
  const sequence = (): RegexNode => {
    const nodes: RegexNode[] = []
    while (at < source.length && peek() !== '|' && peek() !== ')') nodes.push(repeated(atom()))
    return nodes.length === 1 ? nodes[0]! : nodes.length === 0 ? { kind: 'empty' } : { kind: 'sequence', nodes }
  }
  const repeated = (node: RegexNode): RegexNode => {
    const bounds = quantifier()
    if (!bounds) return node
    return { kind: 'repeat', node, ...bounds, lazy: take('?') }
  }
  const quantifier = (): { least: number; most: number } | undefined => {
    if (take('*')) return { least: 0, most: Number.POSITIVE_INFINITY }
    if (take('+')) return { least: 1, most: Number.POSITIVE_INFINITY }
    if (take('?')) return { least: 0, most: 1 }
    const match = /^\{(\d+)(,(\d*))?\}/.exec(source.slice(at, at + 32))
    if (!match) return undefined
    at += match[0].length
    const least = Number(match[1])
    const most = match[2] === undefined ? least : match[3] === '' ? Number.POSITIVE_INFINITY : Number(match[3])
    return { least, most }
  }
  const atom = (): RegexNode => {
    const ch = source[at++]!
    switch (ch) {
      case '^':
      case '$':
        return { kind: 'edge', edge: ch }
      case '.':
        return { kind: 'set', set: { ranges: LINE_ENDS, negative: true } }
      case '(':
        return group()
      case '[':
        return { kind: 'set', set: characterClass() }
      case '\\':
        return escaped()
      default:
        return { kind: 'char', code: ch.charCodeAt(0) }
    }
  }
  const group = (): RegexNode => {
    if (take('?:')) return closed(either())
    for (const [start, behind, negative] of LOOKS) {
      if (take(start)) return { kind: 'look', node: closed(either()), behind, negative }
    }
    const index = ++groups
    if (take('?<')) names.set(groupName(), index)
    else if (peek() === '?') throw fail(`(?${source[at + 1]}`)
    return { kind: 'group', index, node: closed(either()) }
  }
  const groupName = (): string => {
    const end = source.indexOf('>', at)
    const name = source.slice(at, end)
    at = end + 1
    return name
  }
  const closed = (node: RegexNode): RegexNode => {
    if (!take(')')) throw fail('an open group')
    return node
  }
  const escaped = (): RegexNode => {
    const ch = source[at++] ?? '\\'
    if (ch === 'b' || ch === 'B') return { kind: 'edge', edge: ch }
    const set = classEscape(ch)
    if (set) return { kind: 'set', set }
    if (ch === 'k' && take('<')) return { kind: 'named', name: groupName() }
    if (ch >= '1' && ch <= '9') {
      const digits = /^\d*/.exec(source.slice(at, at + 2))![0]
      at += digits.length
      return { kind: 'back', index: Number(ch + digits) }
    }
    return { kind: 'char', code: charEscape(ch) }
  }
  const charEscape = (ch: string): number => {
    if (ch === '0' && /\d/.test(peek())) throw fail('an octal escape')
    if (ch in CONTROLS) return CONTROLS[ch]!
    const hex = ch === 'x' ? /^[0-9a-fA-F]{2}/ : ch === 'u' ? /^[0-9a-fA-F]{4}/ : undefined
    const digits = hex?.exec(source.slice(at, at + 4))?.[0]
    if (digits !== undefined) {
      at += digits.length
      return Number.parseInt(digits, 16)
    }
    if (ch === 'c' && /[A-Za-z]/.test(peek())) return source.charCodeAt(at++) % 32
    return ch.charCodeAt(0)
  }
  const characterClass = (): CharSet => {
    const negative = take('^')
    const ranges: (readonly [number, number])[] = []
    while (!take(']')) {
      if (at >= source.length) throw fail('an open class')
      const first = classAtom()
      if (peek() === '-' && source[at + 1] !== ']' && at + 1 < source.length) {
        at++
        const last = classAtom()
        if (typeof first === 'number' && typeof last === 'number') ranges.push([first, last])
        else ranges.push(...rangesOf(first), [45, 45], ...rangesOf(last))
      } else ranges.push(...rangesOf(first))
    }
    return { ranges, negative }
  }
  const classAtom = (): number | CharSet => {
    const ch = source[at++]!
    if (ch !== '\\') return ch.charCodeAt(0)
    const next = source[at++] ?? '\\'
    if (next === 'b') return 8
    return classEscape(next) ?? charEscape(next)
  }

  const node = either()
  if (at < source.length) throw fail(`'${peek()}'`)
  return { node, groups, names }
}

const LOOKS = [
  ['?=', false, false],
  ['?!', false, true],
  ['?<=', true, false],
  ['?<!', true, true],
] as const

const classEscape = (ch: string): CharSet | undefined => {
  switch (ch) {
    case 'd':
    case 'D':
      return { ranges: DIGITS, negative: ch === 'D' }
    case 'w':
    case 'W':
      return { ranges: WORDS, negative: ch === 'W' }
    case 's':
    case 'S':
      return { ranges: SPACES, negative: ch === 'S' }
    default:
      return undefined
  }
}

/** A negated set inside a class becomes the ranges between its own. */
const rangesOf = (atom: number | CharSet): (readonly [number, number])[] => {
  if (typeof atom === 'number') return [[atom, atom]]
  if (!atom.negative) return [...atom.ranges]
  const gaps: [number, number][] = []
  let from = 0
  for (const [first, last] of [...atom.ranges].sort((a, b) => a[0] - b[0])) {
    if (first > from) gaps.push([from, first - 1])
    from = last + 1
  }
  if (from <= 0xffff) gaps.push([from, 0xffff])
  return gaps
}
