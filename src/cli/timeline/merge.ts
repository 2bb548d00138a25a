/** The events of a run and of its child runs as one timeline: as they come, or those there are. */
import type { Client } from '../../sdk/client.ts'
import type { EventView } from '../../sdk/views.ts'

/** How long the last events of child runs are waited for, once the run itself is over. */
const STRAGGLERS_MS = 1000
/** Children beyond it are shown by what their parent is told of them alone: each costs a connection. */
const CHILDREN_MAX = 50

const childOf = ({ type, data }: EventView): string | undefined =>
  type === 'run.child' && typeof data.childRunId === 'string' ? data.childRunId : undefined

const PAGE = 500

/** What has happened so far, in order; a child's events after the one that tells of the child. */
export const readFamily = async (client: Client, runId: string): Promise<EventView[]> => {
  const events: EventView[] = []
  const runs = [runId]
  for (let next = 0; next < runs.length; next++) {
    for (let after = 0; ; ) {
      const { items, nextCursor } = await client.runs.events(runs[next]!, { after, limit: PAGE })
      events.push(...items)
      after = items.at(-1)?.id ?? after
      for (const item of items) {
        const child = childOf(item)
        if (child !== undefined && runs.length <= CHILDREN_MAX) runs.push(child)
      }
      if (nextCursor === null) break
    }
  }
  // A child is made by the turn that tells of it: none of its events is older.
  return events.sort((a, b) => a.id - b.id)
}

/** Ends with the event that ends or stops the run. Rejects when the run's own stream does. */
export async function* watchFamily(client: Client, runId: string, signal?: AbortSignal): AsyncGenerator<EventView> {
  const over = new AbortController()
  const both = signal ? AbortSignal.any([signal, over.signal]) : over.signal
  const ready: EventView[] = []
  let wake = (): void => {}
  let failure: unknown
  let rootIsOver = false
  const children: Promise<void>[] = []

  const follow = async (id: string): Promise<void> => {
    for await (const event of client.runs.watch(id, { signal: both })) {
      ready.push(event)
      const childId = childOf(event)
      // A child that cannot be followed is no reason to lose sight of its parent.
      if (childId !== undefined && children.length < CHILDREN_MAX) children.push(follow(childId).catch(() => {}))
      wake()
    }
  }

  follow(runId)
    .catch((error: unknown) => {
      failure = error ?? new Error('the stream broke')
    })
    .finally(() => {
      rootIsOver = true
      wake()
    })

  try {
    let last: EventView | undefined
    while (!rootIsOver || ready.length > 0) {
      const event = ready.shift()
      if (event === undefined) {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
        continue
      }
      const isEnd = event.runId === runId && /^run\.(completed|failed|cancelled|timed_out)$/.test(event.type)
      if (!isEnd) yield event
      else last = event
      // Nothing more happens until somebody mends it; a past stop in the timeline of a run that goes on is no end.
      const isStop = event.runId === runId && event.type === 'run.stopped'
      if (isStop && (await client.runs.find(runId)).status === 'stopped') return
    }
    if (failure !== undefined) throw failure
    const timeout = new Promise<void>((resolve) => setTimeout(resolve, STRAGGLERS_MS).unref())
    await Promise.race([Promise.all(children), timeout])
    yield* ready.splice(0)
    if (last) yield last
  } finally {
    over.abort()
  }
}
