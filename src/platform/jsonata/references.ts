/** What an expression asks of its surroundings: names of a context that it may not have, and fields of a variable. */
import type { Node } from './variables.ts'

export interface References {
  /** Names that begin a path where nothing but the outermost context could have them, and `$$`, which is that context. */
  readonly outermost: ReadonlySet<string>
  /** `$name.field` as `name.field`, wherever it is read. */
  readonly fields: ReadonlySet<string>
}

interface PathNode extends Node {
  readonly steps?: readonly PathNode[]
}

/** Parts of a node that are evaluated for each value that the node gives, and so have a context of their own. */
const INNER = new Set(['predicate', 'stages', 'group', 'terms', 'pattern', 'update', 'delete', 'index', 'focus'])

/** Without recursion: an expression may be nested very deeply. */
export const collectReferences = (ast: unknown): References => {
  const outermost = new Set<string>()
  const fields = new Set<string>()
  const open: { node: unknown; isOutermost: boolean }[] = [{ node: ast, isOutermost: true }]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { node, isOutermost } = next
    if (typeof node !== 'object' || node === null) continue
    const { type, value, steps } = node as PathNode
    if (type === 'name' && isOutermost && typeof value === 'string') outermost.add(value)
    if (type === 'variable' && value === '$') outermost.add('$$')
    if (type === 'path' && steps) addField(steps, fields)
    for (const [key, inner] of Object.entries(node)) {
      if (key === 'steps' && type === 'path') {
        const list = inner as unknown[]
        for (let i = 0; i < list.length; i++) open.push({ node: list[i], isOutermost: isOutermost && i === 0 })
      } else if (typeof inner === 'object' && inner !== null) {
        open.push({ node: inner, isOutermost: isOutermost && !INNER.has(key) })
      }
    }
  }
  return { outermost, fields }
}

const addField = (steps: readonly PathNode[], fields: Set<string>): void => {
  const [variable, field] = steps
  if (variable?.type !== 'variable' || typeof variable.value !== 'string' || variable.value === '') return
  if (field?.type === 'name' && typeof field.value === 'string') fields.add(`${variable.value}.${field.value}`)
}
