import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Transport } from './transport.ts'
import type { EventView } from './views.ts'
import { watchEvents } from './watch.ts'

const LAST = 'run.completed'
const eventOf = (id: number, type = 'run.log'): EventView => ({ id, type, at: '', runId: 'r', taskId: null, data: {} })
const frame = (event: EventView): string => `id: ${event.id}\ndata: ${JSON.stringify(event)}\n\n`

/** A server that answers each connection as told; it is given the id after which the client goes on. */
const watch = async (connections: readonly ((after: number) => readonly EventView[])[]) => {
  let opened = 0
  const open = async (_method: string, _path: string, { headers }: { headers: Record<string, string> }) => {
    const events = connections[opened++]?.(Number(headers['last-event-id'] ?? 0))
    if (!events) throw new Error('no more connections were told of')
    return new Response(events.map(frame).join(''))
  }
  const transport = { open } as unknown as Transport
  const isLast = ({ type }: EventView): boolean => type === LAST
  const ids: number[] = []
  for await (const { id } of watchEvents(transport, { path: '/', isLast }, { patienceMs: 1000 })) ids.push(id)
  return ids
}

test('watchEvents() gives an event that another one has overtaken', async () => {
  assert.deepEqual(await watch([() => [eventOf(1), eventOf(3), eventOf(2, LAST)]]), [1, 3, 2])
})

test('watchEvents() finds what was overtaken and not sent before the connection broke, and gives nothing twice', async () => {
  const log = [eventOf(1), eventOf(2, LAST), eventOf(3)]
  const rest = (after: number) => log.filter(({ id }) => id > after)
  assert.deepEqual(await watch([() => [eventOf(1), eventOf(3)], rest]), [1, 3, 2])
})
