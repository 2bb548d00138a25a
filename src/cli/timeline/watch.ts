/** Shows a run's timeline live until its end: redrawn in place on a terminal, line by line elsewhere, as JSON lines with --json. */
import type { Client } from '../../sdk/client.ts'
import type { EventView, RunView } from '../../sdk/views.ts'
import type { Output } from '../io.ts'
import type { Style } from '../style.ts'
import { describeChange, drawTree } from './draw.ts'
import { watchFamily } from './merge.ts'
import { countItems, isOver, type TimelineNode } from './nodes.ts'
import { makeTimeline, type Timeline } from './timeline.ts'

export interface WatchRunOptions {
  readonly client: Client
  readonly run: Pick<RunView, 'id' | 'target' | 'kind'>
  readonly output: Output
  readonly style: Style
  readonly isJson: boolean
  readonly signal?: AbortSignal
  /** Told of every event, after it is shown. */
  readonly onEvent?: (event: EventView) => void
}

interface Screen {
  changed(event: EventView, node: TimelineNode | undefined): void
  end(): void
}

const REDRAW_MS = 80

/** Resolves with the run as it ended. */
export const watchRun = async (options: WatchRunOptions): Promise<RunView> => {
  const { client, run, output, isJson, signal, onEvent } = options
  const timeline = makeTimeline(run.id, `${run.kind} ${run.target}`)
  const screen = isJson ? jsonScreen(output) : output.isTTY ? liveScreen(timeline, options) : lineScreen(options)
  try {
    for await (const event of watchFamily(client, run.id, signal)) {
      screen.changed(event, timeline.apply(event))
      onEvent?.(event)
    }
  } finally {
    screen.end()
  }
  return client.runs.find(run.id)
}

const jsonScreen = (output: Output): Screen => ({
  changed: (event) => void output.write(`${JSON.stringify({ event })}\n`),
  end() {},
})

const liveScreen = (timeline: Timeline, { output, style }: WatchRunOptions): Screen => {
  let drawn = 0
  const draw = (height: number): void => {
    const lines = drawTree(timeline.root, { nowMs: Date.now(), style, width: output.columns || 80, height })
    const up = drawn > 0 ? `\u001b[${drawn}A` : ''
    output.write(`${up}\u001b[J${lines.join('\n')}\n`)
    drawn = lines.length
  }
  // Durations grow without events, too. A terminal that does not know its size says 0.
  const timer = setInterval(() => draw(Math.max((output.rows || 24) - 1, 3)), REDRAW_MS)
  return {
    changed() {},
    end() {
      clearInterval(timer)
      // Nothing is redrawn after this: the whole tree may scroll.
      draw(Number.POSITIVE_INFINITY)
    },
  }
}

/** Items of a group are told of in such steps: one line each would drown the rest. */
const ITEMS_STEP = 50

const lineScreen = ({ output, style }: WatchRunOptions): Screen => {
  const shown = new Map<TimelineNode, string>()
  const told = new Map<TimelineNode, number>()

  const isWorthALine = (node: TimelineNode): boolean => {
    if (node.state === 'retrying' || isOver(node) || node.kind === 'log') return true
    if (node.kind === 'run') return node.state === 'running' || node.note !== ''
    return node.state === 'waiting' && (node.kind === 'timer' || node.kind === 'signal')
  }

  const print = (node: TimelineNode, at: string): void => {
    const state = `${node.state}/${node.attempt}/${node.note}`
    if (shown.get(node) === state) return
    shown.set(node, state)
    output.write(`${describeChange(node, at, Date.parse(at), style)}\n`)
  }

  return {
    changed({ at }, node) {
      if (!node) return
      if (node.group === undefined) {
        if (isWorthALine(node)) print(node, at)
        return
      }
      if (node.state === 'retrying') return print(node, at)
      const { done } = countItems(node.group)
      if (done < (told.get(node.group) ?? 0) + ITEMS_STEP) return
      told.set(node.group, done)
      output.write(`${describeChange(node.group, at, Date.parse(at), style)}\n`)
    },
    end() {},
  }
}
