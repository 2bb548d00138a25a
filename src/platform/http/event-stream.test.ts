import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { sql } from 'kysely'
import { DATABASES } from '../../../test/support/databases.ts'
import { until } from '../../../test/support/until.ts'
import type { Event } from '../events/event.ts'
import { makeEventHub } from '../events/hub.ts'
import { type EventLog, makeEventLog } from '../events/log.ts'
import { writeEvent } from '../events/write.ts'
import { makeLog } from '../log.ts'
import { type StreamOptions, streamEvents } from './event-stream.ts'
import { makeHttpServer } from './server.ts'

const CALLER = {
  ...({ kind: 'key', tenantId: 't', projectId: null, keyId: 'k', name: 'k', memberId: null, role: null } as const),
  permissions: new Set(['events:read'] as const),
}
const LAST = 'run.completed'

const eventOf = (id: number, sizeBytes = 0, type = 'run.log'): Event => ({
  ...{ id, type, tenantId: 't', projectId: null, runId: 'r', taskId: null, atMs: 0 },
  data: { text: 'x'.repeat(sizeBytes) },
})

interface StreamSetting {
  /** Told before each page. */
  readonly reading?: () => Promise<void>
  readonly isOver?: boolean
  readonly fromNow?: boolean
}

/** A stream over a list for a log. */
const setUp = async (t: TestContext, list: Event[], { reading = async () => {}, ...more }: StreamSetting = {}) => {
  const hub = makeEventHub()
  const readNow: EventLog['readNow'] = async ({ afterId, limit }) => {
    await reading()
    return list.filter(({ id }) => id > afterId).slice(0, limit)
  }
  const newestOf: EventLog['newestOf'] = async () => list.at(-1)?.id ?? 0
  return serve(t, { log: { readNow, newestOf } as EventLog, hub, ...more })
}

const serve = async (t: TestContext, options: Pick<StreamOptions, 'log' | 'hub' | 'isOver' | 'fromNow'>) => {
  const { hub } = options
  const server = await makeHttpServer({
    log: makeLog('silent'),
    makeId: randomUUID,
    bodyLimitBytes: 1024,
    version: '0',
    authenticate: () => CALLER,
    routes: [
      (server) =>
        server.get('/v1/things/stream', { config: { permission: 'events:read' } }, (request, reply) =>
          streamEvents(request, reply, {
            filter: { tenantId: 't' },
            isLast: ({ type }) => type === LAST,
            ...options,
          }),
        ),
    ],
  })
  t.after(() => server.close())
  const url = `${await server.listen({ port: 0, host: '127.0.0.1' })}/v1/things/stream`
  const idsOf = async (): Promise<number[]> => {
    const text = await (await fetch(url)).text()
    return [...text.matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id))
  }
  return { hub, url, idsOf }
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1)

test('a long timeline is sent at the pace of its reader, whole', async (t) => {
  const log = upTo(80).map((id) => eventOf(id, 500_000, id === 80 ? LAST : undefined))
  const { idsOf } = await setUp(t, log)
  assert.deepEqual(await idsOf(), upTo(80))
})

test('what happens while the timeline is read comes once, and after it', async (t) => {
  const log = [eventOf(1)]
  const gate = Promise.withResolvers<void>()
  let pages = 0
  const reading = async (): Promise<void> => {
    if (pages++ === 0) await gate.promise
  }
  const { hub, idsOf } = await setUp(t, log, { reading })
  const ids = idsOf()
  await until('the first page', () => pages === 1)
  const more = upTo(5000)
    .slice(1)
    .map((id) => eventOf(id))
  log.push(...more)
  hub.publish(more)
  gate.resolve()
  // Told by nobody but the hub.
  hub.publish([eventOf(5001, 0, LAST)])
  assert.deepEqual(await ids, upTo(5001))
})

test('what is over is told to its end, and who has had all that is told not to come again', async (t) => {
  const log = [eventOf(1), eventOf(2, 0, LAST), eventOf(3)]
  const { url, idsOf } = await setUp(t, log, { isOver: true })
  assert.deepEqual(await idsOf(), [1, 2])
  const resume = async (after: number) => fetch(url, { headers: { 'last-event-id': String(after) } })
  // It had the end, but not what follows it.
  assert.match(await (await resume(2)).text(), /^id: 3$/m)
  assert.equal((await resume(3)).status, 204)
})

test('whoever names no event where everything is told is told of what happens from then on', async (t) => {
  const log = upTo(10).map((id) => eventOf(id))
  const { url, hub } = await setUp(t, log, { fromNow: true })
  const response = await fetch(url)
  const last = eventOf(11, 0, LAST)
  log.push(last)
  hub.publish([last])
  assert.deepEqual((await response.text()).match(/^id: .*$/gm), ['id: 11'])
})

test('what is committed is told while a long transaction is under way, and nothing of it is passed over', async (t) => {
  const { db, hub } = await DATABASES[1]!.open()
  const write = (text: string, type = 'run.log', before = Promise.resolve()) =>
    db.transaction(async (tx) => {
      await writeEvent(tx, { ...eventOf(0, 0, type), data: { text }, atMs: Date.now() })
      await before
    })
  const finish = Promise.withResolvers<void>()
  const slow = write('slow', 'run.log', finish.promise)
  await until('the first id to be taken', async () => {
    const { rows } = await sql<{ n: number }>`
      SELECT count(*)::int AS n FROM pg_locks WHERE relation = 'events'::regclass AND mode = 'RowExclusiveLock'`.execute(
      db.primary,
    )
    return rows[0]?.n === 1
  })
  await write('quick')
  const { url } = await serve(t, { log: makeEventLog(db), hub })
  const stream = await fetch(url)
  await write('last', LAST)
  const told = await stream.text()
  finish.resolve()
  await slow
  assert.deepEqual(told.match(/(?<="text":")\w+/g), ['quick', 'last'])
})
