/** Which variables an expression reads, so that only those need to be handed to it. */

export interface Variables {
  /** Every name that is read. */
  readonly read: ReadonlySet<string>
  /** Those that the expression does not bind itself, as a parameter or by `:=`, and that are no functions it calls. */
  readonly free: ReadonlySet<string>
}

export interface Node {
  readonly type?: unknown
  readonly value?: unknown
  readonly procedure?: unknown
  readonly arguments?: unknown
  readonly lhs?: unknown
  readonly pattern?: unknown
}

export const collectVariables = (ast: unknown): Variables => {
  const read = new Set<string>()
  const bound = new Set<string>()
  const called = new Set<string>()
  eachNode(ast, (node) => {
    if (node.type === 'variable') add(read, node)
    if (node.type === 'bind') add(bound, node.lhs as Node)
    if (node.type === 'function' || node.type === 'partial') add(called, node.procedure as Node)
    if (node.type === 'lambda') for (const parameter of node.arguments as Node[]) add(bound, parameter)
  })
  return { read, free: new Set([...read].filter((name) => !bound.has(name) && !called.has(name))) }
}

const add = (names: Set<string>, { type, value }: Node): void => {
  if (type === 'variable' && typeof value === 'string' && value !== '' && value !== '$') names.add(value)
}

/** Without recursion: an expression may be nested very deeply. */
export const eachNode = (ast: unknown, visit: (node: Node) => void): void => {
  const open: unknown[] = [ast]
  const seen = new Set<object>()
  for (let node = open.pop(); node !== undefined || open.length > 0; node = open.pop()) {
    if (typeof node !== 'object' || node === null || seen.has(node)) continue
    seen.add(node)
    visit(node)
    for (const inner of Object.values(node)) open.push(inner)
  }
}
