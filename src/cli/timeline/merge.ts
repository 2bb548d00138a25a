/** The events of a run and of all its child runs as one stream, as they come. */
import type { Client } from '../../sdk/client.ts'
import type { EventView } from '../../sdk/views.ts'

/** How long the last events of child runs are waited for, once the run itself is over. */
const STRAGGLERS_MS = 1000
/** Children beyond it are shown by what their parent is told of them alone: each costs a connection. */
const CHILDREN_MAX = 50

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
      const childId = event.type === 'run.child' ? event.data.childRunId : undefined
      // A child that cannot be followed is no reason to lose sight of its parent.
      if (typeof childId === 'string' && children.length < CHILDREN_MAX) children.push(follow(childId).catch(() => {}))
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
