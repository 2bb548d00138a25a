/** Draws a timeline: as lines of a tree for a terminal, or one line for one change. */
import { stripVTControlCharacters } from 'node:util'
import type { Style } from '../style.ts'
import { countItems, isOver, type NodeState, type TimelineNode } from './nodes.ts'

const MARKS: Readonly<Record<NodeState, string>> = {
  waiting: '◌',
  running: '●',
  retrying: '↻',
  done: '✔',
  failed: '✖',
  cancelled: '–',
}

export const formatDuration = (ms: number): string => {
  if (ms < 1000) return `${Math.round(ms)} ms`
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`
  const minutes = Math.floor(ms / 60_000)
  const seconds = Math.floor((ms % 60_000) / 1000)
  if (minutes < 60) return seconds === 0 ? `${minutes} min` : `${minutes} min ${seconds} s`
  const hours = Math.floor(minutes / 60)
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`
}

const paintOf = (state: NodeState, style: Style) =>
  ({
    waiting: style.dim,
    running: style.cyan,
    retrying: style.yellow,
    done: style.green,
    failed: style.red,
    cancelled: style.dim,
  })[state]

/** What it is, what it does, how long it took or waits, and for what. */
const describeNode = (node: TimelineNode, nowMs: number, style: Style): string => {
  const isNamedSleep = node.kind === 'timer' && !node.label.startsWith('sleep')
  const word = node.kind === 'signal' ? `${node.label} (signal)` : isNamedSleep ? `${node.label} (sleep)` : node.label
  const ageMs = node.durationMs ?? nowMs - node.startedAtMs
  const waits = node.state === 'waiting' && node.kind !== 'run'
  const facts = [
    node.kind === 'log' ? '' : `${waits ? 'waits ' : ''}${formatDuration(ageMs)}`,
    node.attempt > 1 ? `attempt ${node.attempt}` : '',
    node.kind === 'group' ? itemFacts(node) : '',
    node.kind === 'run' && node.state === 'waiting' && node.note !== '' ? `waits for ${node.note}` : node.note,
  ].filter((fact) => fact !== '')
  const mark = paintOf(node.state, style)(node.kind === 'log' ? '»' : MARKS[node.state])
  const detail = node.detail === '' ? '' : ` ${style.dim(node.detail)}`
  return `${mark} ${word}${detail}${facts.length > 0 ? `  ${style.dim(facts.join(' · '))}` : ''}`
}

const itemFacts = (group: TimelineNode): string => {
  const counts = countItems(group)
  return (Object.keys(counts) as NodeState[])
    .filter((state) => counts[state] > 0)
    .map((state) => `${counts[state]} ${state}`)
    .join(', ')
}

/** Groups with more items are shown by their counts alone. */
const ITEMS_SHOWN = 6

/** The tree as lines, at most `height` of them: what is over goes first, the oldest before. */
export const drawTree = (
  root: TimelineNode,
  { nowMs, style, width, height }: { nowMs: number; style: Style; width: number; height: number },
): string[] => {
  const lines: { text: string; isOver: boolean }[] = []
  const walk = (node: TimelineNode, indent: string): void => {
    lines.push({ text: indent + describeNode(node, nowMs, style), isOver: isOver(node) && node !== root })
    const isCollapsed = node.kind === 'group' && node.children.length > ITEMS_SHOWN
    if (!isCollapsed) for (const child of node.children) walk(child, `${indent}  `)
  }
  walk(root, '')
  const surplus = lines.length - height
  const dropped = new Set(lines.flatMap((line, i) => (line.isOver ? [i] : [])).slice(0, surplus > 0 ? surplus + 1 : 0))
  const kept = lines.filter((_, i) => !dropped.has(i)).map((line) => line.text)
  if (dropped.size > 0) kept.splice(1, 0, `  ${style.dim(`… ${dropped.size} more that are over`)}`)
  return kept.slice(0, height).map((line) => clip(line, width))
}

/** A line that is too long for the terminal is cut, and loses its colours: the cursor's way back up counts on one row a line. */
const clip = (line: string, width: number): string => {
  const plain = stripVTControlCharacters(line)
  return plain.length <= width ? line : `${plain.slice(0, Math.max(width - 1, 0))}…`
}

/** One line for a change, with the path to it; for output that is no terminal. */
export const describeChange = (node: TimelineNode, at: string, nowMs: number, style: Style): string =>
  `${style.dim(at.slice(11, 24))}  ${describeNode(node, nowMs, style)}`
