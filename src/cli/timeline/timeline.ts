/**
 * A run's timeline as a tree: its steps, tasks, waits and child runs, each with how it stands. Built from events alone, in their
 * order; what is not known here is passed over, so that a newer server does no harm.
 */
import type { EventView } from '../../sdk/views.ts'
import { isOver, makeNode, makeRunNodes, type NodeState, type RunNodes, type TimelineNode } from './nodes.ts'

export interface Timeline {
  readonly root: TimelineNode
  /** The node that the event changed, if any. Events of child runs are taken too, after the event that tells of the child. */
  apply(event: EventView): TimelineNode | undefined
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '')
const count = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined)
const time = (value: unknown): string =>
  typeof value === 'number' ? new Date(value).toISOString().replace('T', ' ').replace(/\.\d+/, '') : ''

const messageOf = (error: unknown): string => {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown }
  return text(message) || text(code)
}

const PROGRESS_LENGTH = 80

const progressOf = (progress: unknown): string => {
  const shown = typeof progress === 'string' ? progress : (JSON.stringify(progress ?? '') ?? '')
  return shown.length > PROGRESS_LENGTH ? `${shown.slice(0, PROGRESS_LENGTH - 1)}…` : shown
}

const STATES: Readonly<Record<string, NodeState>> = {
  created: 'waiting',
  started: 'running',
  resumed: 'running',
  continued: 'running',
  stopped: 'failed',
  scheduled: 'waiting',
  queued: 'waiting',
  requeued: 'waiting',
  waiting: 'waiting',
  progress: 'running',
  retrying: 'retrying',
  completed: 'done',
  failed: 'failed',
  dead: 'failed',
  cancelled: 'cancelled',
  timed_out: 'failed',
  fired: 'done',
  received: 'done',
}

const noteOf = (what: string, { data }: EventView): string => {
  if (what === 'retrying') return `${messageOf(data.error)}; next try ${time(data.retryAtMs)}`
  if (data.error !== undefined) return `${what === 'stopped' ? 'stopped: ' : ''}${messageOf(data.error)}`
  if (what === 'progress') return progressOf(data.progress)
  if (what === 'scheduled') return `until ${time(data.runAtMs)}`
  if (what === 'waiting') return text(data.for)
  return ''
}

const move = (node: TimelineNode, what: string, event: EventView): TimelineNode | undefined => {
  const state = STATES[what]
  if (state === undefined) return undefined
  const { attempt, durationMs, dueMs } = event.data
  const atMs = Date.parse(event.at)
  node.state = state
  node.attempt = Math.max(node.attempt, count(attempt) ?? 1)
  node.note = count(dueMs) === undefined ? noteOf(what, event) : `until ${time(dueMs)}`
  node.durationMs = isOver(node) ? (count(durationMs) ?? atMs - node.startedAtMs) : undefined
  return node
}

/** The same line again and again is one node with a count. */
const addLog = ({ run }: RunNodes, { data, at }: EventView): TimelineNode => {
  const last = run.children.at(-1)
  if (last?.kind === 'log' && last.label === text(data.message)) {
    const times = Number(/\d+/.exec(last.note)?.[0] ?? 1) + 1
    return Object.assign(last, { note: `${times} times` })
  }
  const node = makeNode({ kind: 'log', label: text(data.message), atMs: Date.parse(at) })
  run.children.push(Object.assign(node, { state: 'done' as const, durationMs: 0 }))
  return node
}

/** A wait for a signal is known by the signal's name: the next one of that name is another node. */
const nodeOfSignal = (nodes: RunNodes, name: string, atMs: number): TimelineNode => {
  for (let nth = 1; ; nth++) {
    const key = nth === 1 ? name : `${name}#${nth}`
    const known = nodes.find('signal', key)
    if (!known || !isOver(known)) return nodes.at('signal', key, '', atMs)
  }
}

/** The interpreter's states: only those with others inside are shown, the rest does its work as steps and tasks. */
const moveState = (nodes: RunNodes, what: string, { data, at }: EventView): TimelineNode | undefined => {
  const scope = text(data.scope)
  const key = `${scope === '' ? '' : `${scope}/`}${text(data.state)}`
  const isGroup = data.kind === 'Map' || data.kind === 'Parallel'
  const group = isGroup && what === 'entered' ? nodes.at('group', key, '', Date.parse(at)) : nodes.find('group', key)
  if (!group) return undefined
  group.state = what === 'exited' ? 'done' : 'running'
  group.durationMs = what === 'exited' ? Date.parse(at) - group.startedAtMs : undefined
  return group
}

/** `name` is what the root is called. */
export const makeTimeline = (runId: string, name: string): Timeline => {
  const root = makeNode({ kind: 'run', label: name, atMs: 0 })
  const runs = new Map([[runId, makeRunNodes(root)]])

  const ofRun = (nodes: RunNodes, what: string, event: EventView): TimelineNode | undefined => {
    const { run } = nodes
    const { data, at } = event
    if (what === 'child') {
      const child = nodes.at('run', text(data.step), text(data.target), Date.parse(at))
      runs.set(text(data.childRunId), makeRunNodes(child))
      return child
    }
    if (what === 'log') return addLog(nodes, event)
    if (what === 'created') run.startedAtMs = Date.parse(at)
    if (what === 'cancelling' || what === 'cancel_requested') {
      run.note = 'is being cancelled'
      return run
    }
    const moved = move(run, what, event)
    if (!moved || !isOver(run) || what === 'stopped') return moved
    // What the end of the run has called off ends without an event of its own.
    for (const node of nodes.all()) if (!isOver(node) && node.kind !== 'item') node.state = 'cancelled'
    return moved
  }

  return {
    root,
    apply(event) {
      const nodes = runs.get(event.runId ?? runId)
      const dot = event.type.indexOf('.')
      const thing = event.type.slice(0, dot)
      const what = event.type.slice(dot + 1)
      if (!nodes || what === 'sent') return undefined
      if (thing !== 'run' && thing !== 'state' && STATES[what] === undefined) return undefined
      const atMs = Date.parse(event.at)
      const { step, kind, timer, signal } = event.data
      if (thing === 'run') return ofRun(nodes, what, event)
      if (thing === 'state') return moveState(nodes, what, event)
      if (thing === 'timer')
        return move(nodes.at('timer', text(timer), '', atMs), what === 'started' ? 'waiting' : what, event)
      if (thing === 'signal') return move(nodeOfSignal(nodes, text(signal), atMs), what, event)
      if (thing !== 'step' && thing !== 'task') return undefined
      return move(nodes.at(thing, text(step) || text(kind), text(kind), atMs), what, event)
    },
  }
}
