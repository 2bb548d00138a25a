/** Turns the tree of a regular expression into a list of instructions for a backtracking machine. */
import type { CharSet, ParsedRegex, RegexNode } from './regex-parse.ts'

export type Instruction =
  /** Matches one code unit and moves on, forwards or (in a lookbehind) backwards. */
  | { readonly op: 'char'; readonly code: number; readonly step: 1 | -1 }
  | { readonly op: 'set'; readonly set: CharSet; readonly step: 1 | -1 }
  /** Goes on at `first`, and if that fails at `second`. */
  | { readonly op: 'split'; first: number; second: number }
  | { readonly op: 'jump'; to: number }
  | { readonly op: 'save'; readonly slot: number }
  /** Forgets what the groups in the slots have matched: each round of a loop begins anew. */
  | { readonly op: 'reset'; readonly from: number; readonly to: number }
  /** Remembers where a round of a loop began; fails when it ends there too, so that no loop runs on the spot. */
  | { readonly op: 'mark'; readonly slot: number }
  | { readonly op: 'moved'; readonly slot: number }
  | { readonly op: 'edge'; readonly edge: '^' | '$' | 'b' | 'B' }
  | { readonly op: 'back'; readonly index: number; readonly step: 1 | -1 }
  /** Runs the program at the next instruction up to its `match`, then goes on at `to`. */
  | { readonly op: 'look'; readonly negative: boolean; to: number }
  | { readonly op: 'match' }

export interface RegexProgram {
  readonly code: readonly Instruction[]
  /** Two for the whole match and each group, one for each loop. */
  readonly slots: number
  readonly groups: number
}

/** Counted repeats are written out; what gets longer than this is refused. */
const LONGEST_PROGRAM = 20_000

export const compileRegex = ({ node, groups, names }: ParsedRegex): RegexProgram => {
  const code: Instruction[] = []
  let slots = (groups + 1) * 2
  const emit = <T extends Instruction>(instruction: T): T => {
    if (code.length >= LONGEST_PROGRAM) throw new Error('the regular expression is too large')
    code.push(instruction)
    return instruction
  }

  const compile = (node: RegexNode, step: 1 | -1): void => {
    switch (node.kind) {
      case 'empty':
        return
      case 'char':
        emit({ op: 'char', code: node.code, step })
        return
      case 'set':
        emit({ op: 'set', set: node.set, step })
        return
      case 'sequence':
        for (const inner of step === 1 ? node.nodes : [...node.nodes].reverse()) compile(inner, step)
        return
      case 'either':
        compileEither(node.nodes, step)
        return
      case 'group':
        emit({ op: 'save', slot: node.index * 2 + (step === 1 ? 0 : 1) })
        compile(node.node, step)
        emit({ op: 'save', slot: node.index * 2 + (step === 1 ? 1 : 0) })
        return
      case 'repeat':
        compileRepeat(node, step)
        return
      case 'edge':
        emit({ op: 'edge', edge: node.edge })
        return
      case 'look': {
        const look = emit({ op: 'look' as const, negative: node.negative, to: 0 })
        compile(node.node, node.behind ? -1 : 1)
        emit({ op: 'match' })
        look.to = code.length
        return
      }
      case 'back':
        if (node.index > groups) throw new Error(`there is no group \\${node.index}`)
        emit({ op: 'back', index: node.index, step })
        return
      case 'named': {
        const index = names.get(node.name)
        if (index === undefined) throw new Error(`there is no group ${node.name}`)
        emit({ op: 'back', index, step })
        return
      }
    }
  }

  const compileEither = (nodes: readonly RegexNode[], step: 1 | -1): void => {
    const jumps: { to: number }[] = []
    nodes.forEach((node, i) => {
      const isLast = i === nodes.length - 1
      const split = isLast ? undefined : emit({ op: 'split' as const, first: code.length + 1, second: 0 })
      compile(node, step)
      if (!isLast) jumps.push(emit({ op: 'jump' as const, to: 0 }))
      if (split) split.second = code.length
    })
    for (const jump of jumps) jump.to = code.length
  }

  const compileRepeat = (node: RegexNode & { kind: 'repeat' }, step: 1 | -1): void => {
    const inside = groupsIn(node.node)
    const once = (): void => {
      if (inside) emit({ op: 'reset', from: inside[0] * 2, to: inside[1] * 2 + 1 })
      compile(node.node, step)
    }
    for (let i = 0; i < node.least; i++) once()
    const optional = (body: () => void): void => {
      const split = emit({ op: 'split' as const, first: 0, second: 0 })
      const start = code.length
      body()
      split.first = node.lazy ? code.length : start
      split.second = node.lazy ? start : code.length
    }
    if (node.most === Number.POSITIVE_INFINITY) {
      const slot = slots++
      const start = code.length
      optional(() => {
        emit({ op: 'mark', slot })
        once()
        emit({ op: 'moved', slot })
        emit({ op: 'jump', to: start })
      })
      return
    }
    // x{0,3} is (x(x(x)?)?)?, written without nesting: each may end the whole.
    const splits: { first: number; second: number }[] = []
    for (let i = node.least; i < node.most; i++) {
      const split = emit({ op: 'split' as const, first: 0, second: 0 })
      splits.push(split)
      if (node.lazy) split.second = code.length
      else split.first = code.length
      const slot = slots++
      emit({ op: 'mark', slot })
      once()
      emit({ op: 'moved', slot })
    }
    for (const split of splits) {
      if (node.lazy) split.first = code.length
      else split.second = code.length
    }
  }

  emit({ op: 'save', slot: 0 })
  compile(node, 1)
  emit({ op: 'save', slot: 1 })
  emit({ op: 'match' })
  return { code, slots, groups }
}

/** The first and last group within a node. */
const groupsIn = (node: RegexNode): readonly [number, number] | undefined => {
  switch (node.kind) {
    case 'group': {
      const inner = groupsIn(node.node)
      return [node.index, inner ? Math.max(inner[1], node.index) : node.index]
    }
    case 'repeat':
    case 'look':
      return groupsIn(node.node)
    case 'sequence':
    case 'either': {
      const all = node.nodes.map(groupsIn).filter((range) => range !== undefined)
      if (all.length === 0) return undefined
      return [Math.min(...all.map((range) => range[0])), Math.max(...all.map((range) => range[1]))]
    }
    default:
      return undefined
  }
}
