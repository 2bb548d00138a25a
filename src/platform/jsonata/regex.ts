/**
 * A regular expression engine that counts its steps. Matching by backtracking can take exponential time, and the engine of
 * JavaScript cannot be interrupted; this one stops with an error instead. It gives the same matches.
 */
import { type CharSet, parseRegex, wordSet } from './regex-parse.ts'
import { compileRegex, type RegexProgram } from './regex-program.ts'

/** Told of the steps that matching took; may throw to end it. */
export type CountSteps = (steps: number) => void

/** Steps between two reports, and the most choices kept open at once. */
const STEPS_PER_REPORT = 4_096
const MOST_OPEN = 1_000_000

/** Makes a class with the part of `RegExp` that JSONata uses: `new Engine(regexp)`, `lastIndex` and `exec`. */
export const makeRegexEngine = (count: CountSteps): RegExpConstructor => {
  // One program for each expression in the text, however often it is evaluated.
  const programs = new Map<string, RegexProgram>()
  class CountingRegex {
    lastIndex = 0
    readonly #program: RegexProgram
    readonly #ignoreCase: boolean
    readonly #multiline: boolean

    constructor({ source, flags }: RegExp) {
      const known = programs.get(source)
      this.#program = known ?? compileRegex(parseRegex(source))
      if (!known) programs.set(source, this.#program)
      this.#ignoreCase = flags.includes('i')
      this.#multiline = flags.includes('m')
    }

    exec(text: string): RegExpExecArray | null {
      const options = { ignoreCase: this.#ignoreCase, multiline: this.#multiline, count }
      const slots = search(this.#program, text, this.lastIndex, options)
      if (!slots) {
        this.lastIndex = 0
        return null
      }
      this.lastIndex = slots[1]!
      const groups: (string | undefined)[] = []
      for (let i = 0; i <= this.#program.groups; i++) {
        const [from, to] = [slots[i * 2]!, slots[i * 2 + 1]!]
        groups.push(from < 0 || to < 0 ? undefined : text.slice(from, to))
      }
      return Object.assign(groups as string[], { index: slots[0]!, input: text }) as unknown as RegExpExecArray
    }
  }
  return CountingRegex as unknown as RegExpConstructor
}

interface SearchOptions {
  readonly ignoreCase: boolean
  readonly multiline: boolean
  readonly count: CountSteps
}

/** The positions of the first match from `from` on, or `undefined`. */
const search = (program: RegexProgram, text: string, from: number, options: SearchOptions): Int32Array | undefined => {
  const slots = new Int32Array(program.slots)
  const machine = makeMachine(program, text, slots, options)
  for (let start = from; start <= text.length; start++) {
    slots.fill(-1)
    if (machine.run(0, start)) {
      machine.report()
      return slots
    }
  }
  machine.report()
  return undefined
}

const makeMachine = (program: RegexProgram, text: string, slots: Int32Array, options: SearchOptions) => {
  const { code } = program
  const { ignoreCase, multiline, count } = options
  let steps = 0
  const report = (): void => {
    const done = steps
    steps = 0
    count(done)
  }
  const fold = ignoreCase ? canonical : (code: number): number => code
  const isWordAt = (at: number): boolean => at >= 0 && at < text.length && inRanges(wordSet, text.charCodeAt(at))

  const holds = (edge: '^' | '$' | 'b' | 'B', at: number): boolean => {
    switch (edge) {
      case '^':
        return at === 0 || (multiline && isLineEnd(text.charCodeAt(at - 1)))
      case '$':
        return at === text.length || (multiline && isLineEnd(text.charCodeAt(at)))
      default:
        return (isWordAt(at - 1) !== isWordAt(at)) === (edge === 'b')
    }
  }
  /** Where a back reference ends, or -1. A group that has not matched matches nothing. */
  const follow = (index: number, at: number, step: 1 | -1): number => {
    const [from, to] = [slots[index * 2]!, slots[index * 2 + 1]!]
    if (from < 0 || to < 0) return at
    const length = to - from
    const begin = step === 1 ? at : at - length
    if (begin < 0 || begin + length > text.length) return -1
    steps += length
    for (let i = 0; i < length; i++) {
      if (fold(text.charCodeAt(from + i)) !== fold(text.charCodeAt(begin + i))) return -1
    }
    return begin + (step === 1 ? length : 0)
  }

  /** Runs from an instruction to a `match`. Choices are kept on a stack of their own: depth costs no calls. */
  const run = (start: number, from: number): boolean => {
    // Entries of three: a choice (pc, at, -1), or a slot to put back (slot, value, 0).
    const open: number[] = []
    const set = (slot: number, value: number): void => {
      open.push(slot, slots[slot]!, 0)
      slots[slot] = value
    }
    let pc = start
    let at = from
    for (;;) {
      if (++steps >= STEPS_PER_REPORT) report()
      if (open.length > MOST_OPEN * 3) throw new Error('the regular expression keeps too many choices open')
      const instruction = code[pc]!
      let ok = true
      switch (instruction.op) {
        case 'char': {
          const i = instruction.step === 1 ? at : at - 1
          ok = i >= 0 && i < text.length && fold(text.charCodeAt(i)) === fold(instruction.code)
          at += instruction.step
          break
        }
        case 'set': {
          const i = instruction.step === 1 ? at : at - 1
          ok = i >= 0 && i < text.length && isIn(instruction.set, text.charCodeAt(i), ignoreCase)
          at += instruction.step
          break
        }
        case 'split':
          open.push(instruction.second, at, -1)
          pc = instruction.first
          continue
        case 'jump':
          pc = instruction.to
          continue
        case 'save':
        case 'mark':
          set(instruction.slot, at)
          break
        case 'moved':
          ok = slots[instruction.slot] !== at
          break
        case 'reset':
          for (let slot = instruction.from; slot <= instruction.to; slot++) set(slot, -1)
          break
        case 'edge':
          ok = holds(instruction.edge, at)
          break
        case 'back': {
          const end = follow(instruction.index, at, instruction.step)
          ok = end >= 0
          at = end
          break
        }
        case 'look': {
          const before = slots.slice()
          const found = run(pc + 1, at)
          const after = found && !instruction.negative ? slots.slice() : before
          slots.set(before)
          for (let slot = 0; slot < after.length; slot++) if (after[slot] !== before[slot]) set(slot, after[slot]!)
          steps += before.length
          ok = found !== instruction.negative
          pc = instruction.to - 1
          break
        }
        case 'match':
          return true
      }
      if (ok) {
        pc++
        continue
      }
      let resumed = false
      while (open.length > 0 && !resumed) {
        const kind = open.pop()!
        const value = open.pop()!
        const first = open.pop()!
        if (kind === 0) slots[first] = value
        else {
          pc = first
          at = value
          resumed = true
        }
      }
      if (!resumed) return false
    }
  }
  return { run, report }
}

const isLineEnd = (code: number): boolean => code === 10 || code === 13 || code === 0x2028 || code === 0x2029

const inRanges = (set: CharSet, code: number): boolean =>
  set.ranges.some(([first, last]) => code >= first && code <= last)

const isIn = (set: CharSet, code: number, ignoreCase: boolean): boolean => {
  const found = ignoreCase ? casesOf(code).some((one) => inRanges(set, one)) : inRanges(set, code)
  return found !== set.negative
}

const casesOf = (code: number): number[] => {
  const ch = String.fromCharCode(code)
  const lower = ch.toLowerCase()
  return lower.length === 1 ? [code, canonical(code), lower.charCodeAt(0)] : [code, canonical(code)]
}

/** Upper case, where that is one code unit and does not turn into ASCII (ECMA-262, Canonicalize). */
const canonical = (code: number): number => {
  const upper = String.fromCharCode(code).toUpperCase()
  if (upper.length !== 1) return code
  const folded = upper.charCodeAt(0)
  return code >= 128 && folded < 128 ? code : folded
}
