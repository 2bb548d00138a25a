/** The nodes of a timeline, and where in the tree each hangs. */

export type NodeState = 'waiting' | 'running' | 'retrying' | 'done' | 'failed' | 'cancelled'

export interface TimelineNode {
  /** `group` is a Map or Parallel with its `item`s, one for each iteration or branch. */
  readonly kind: 'run' | 'group' | 'item' | 'step' | 'task' | 'timer' | 'signal' | 'log'
  readonly label: string
  /** What it does, e.g. `skill:files/read`; empty where the label says it. */
  readonly detail: string
  readonly children: TimelineNode[]
  /** The group in one of whose items it is. */
  readonly group: TimelineNode | undefined
  state: NodeState
  attempt: number
  startedAtMs: number
  durationMs: number | undefined
  /** An error's message, what is waited for, or progress. */
  note: string
}

export const isOver = ({ state }: TimelineNode): boolean =>
  state === 'done' || state === 'failed' || state === 'cancelled'

export interface NewNode {
  readonly kind: TimelineNode['kind']
  readonly label: string
  readonly detail?: string
  readonly atMs: number
  readonly group?: TimelineNode | undefined
}

export const makeNode = ({ kind, label, detail = '', atMs, group }: NewNode): TimelineNode => ({
  kind,
  label,
  detail: detail === label ? '' : detail,
  children: [],
  group,
  state: 'running',
  attempt: 1,
  startedAtMs: atMs,
  durationMs: undefined,
  note: '',
})

/** An iteration or branch at the start of a key: `ForEach[3]/`. Other slashes belong to names. */
const INDEXED = /^([^/[\]]+)\[(\d+)\]\//

/** The nodes of one run. */
export interface RunNodes {
  readonly run: TimelineNode
  /** The node of that kind and key, made and hung in its place when it is new. */
  at(kind: TimelineNode['kind'], key: string, detail: string, atMs: number): TimelineNode
  find(kind: TimelineNode['kind'], key: string): TimelineNode | undefined
  all(): Iterable<TimelineNode>
}

export const makeRunNodes = (run: TimelineNode): RunNodes => {
  const known = new Map<string, TimelineNode>()

  const take = (id: string, parent: TimelineNode, made: NewNode): TimelineNode => {
    const found = known.get(id)
    if (found) return found
    const node = makeNode({ ...made, group: parent.kind === 'group' ? parent : parent.group })
    known.set(id, node)
    parent.children.push(node)
    return node
  }

  /** The item that a key belongs to, and what is left of the key within it. */
  const placeOf = (key: string, atMs: number): { parent: TimelineNode; label: string } => {
    let parent = run
    let path = ''
    let rest = key
    for (let match = INDEXED.exec(rest); match; match = INDEXED.exec(rest)) {
      const [whole, name = '', index = ''] = match
      const group = take(`group|${path}${name}`, parent, { kind: 'group', label: name, atMs })
      path += whole
      parent = take(`item|${path}`, group, { kind: 'item', label: `${name}[${index}]`, atMs })
      rest = rest.slice(whole.length)
    }
    return { parent, label: rest }
  }

  return {
    run,
    find: (kind, key) => known.get(`${kind}|${key}`),
    at(kind, key, detail, atMs) {
      const found = known.get(`${kind}|${key}`)
      if (found) return found
      const { parent, label } = placeOf(key, atMs)
      return take(`${kind}|${key}`, parent, { kind, label, detail, atMs })
    },
    all: () => known.values(),
  }
}

/** How the items of a group stand. An item is done when all in it is, or when its group is. */
export const countItems = (group: TimelineNode): Record<NodeState, number> => {
  const counts = { waiting: 0, running: 0, retrying: 0, done: 0, failed: 0, cancelled: 0 }
  for (const item of group.children) counts[group.state === 'done' ? 'done' : stateOfItem(item)]++
  return counts
}

const RANK: readonly NodeState[] = ['retrying', 'running', 'waiting', 'failed', 'cancelled', 'done']

const stateOfItem = (item: TimelineNode): NodeState => {
  // A failure that was caught is followed by another node: what came last tells how the item stands.
  const open = item.children.filter((child) => !isOver(child)).map((child) => child.state)
  if (open.length > 0) return RANK.find((state) => open.includes(state)) ?? 'running'
  return item.children.at(-1)?.state === 'cancelled' ? 'cancelled' : 'done'
}
