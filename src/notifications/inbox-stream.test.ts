import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import test, { after, before, describe } from 'node:test'
import { sql } from 'kysely'
import { wholeFile } from '../../test/support/cleanup.ts'
import { DATABASES, type TestDatabase } from '../../test/support/databases.ts'
import { makeTestNotifications, type TestNotifications } from '../../test/support/notifications.ts'
import { makeRoutesServer } from '../../test/support/routes-server.ts'
import { until } from '../../test/support/until.ts'
import { writeEvent } from '../platform/events/write.ts'
import type { HttpServer } from '../platform/http/server.ts'
import { eventsOfInbox, makeInboxRepository } from './repository-inbox.ts'
import { makeNotificationRoutes } from './routes.ts'

interface Frame {
  readonly id: string | undefined
  readonly event: string
  // biome-ignore lint/suspicious/noExplicitAny: tests read bodies of every form.
  readonly data: any
}

for (const database of DATABASES) {
  describe(`the inbox live on ${database.name}`, () => {
    let server: HttpServer
    let made: TestNotifications
    let url: string
    let opened: TestDatabase
    before(async () => {
      opened = await database.open()
      made = await makeTestNotifications(wholeFile, opened)
      const { tenantId } = made.engine
      server = await makeRoutesServer({
        routes: makeNotificationRoutes(made.notifications),
        tenants: { ours: tenantId, theirs: 'another' },
        readerMay: 'notifications:read',
      })
      url = await server.listen({ host: '127.0.0.1', port: 0 })
      const { channels } = made.notifications
      const { channel } = await channels.create(tenantId, null, { kind: 'inbox', name: 'inbox' })
      const what = { channelId: channel.id, projectId: null, types: ['run.*'], severity: 'debug' } as const
      await channels.subscribe(tenantId, what)
      await channels.subscribe(tenantId, { ...what, types: ['task.dead'], memberId: 'ann' })
      await made.notifications.start()
    })
    after(() => server.close())

    /** Reads until it is left. */
    const open = async (query = '', headers: Record<string, string> = {}, as = 'ours') => {
      const abort = new AbortController()
      const answer = await fetch(`${url}/v1/inbox/stream${query}`, {
        headers: { authorization: as, ...headers },
        signal: abort.signal,
      })
      assert.equal(answer.headers.get('content-type'), 'text/event-stream')
      const frames: Frame[] = []
      let text = ''
      const field = (frame: string, name: string): string | undefined =>
        new RegExp(`^${name}: (.*)$`, 'm').exec(frame)?.[1]
      const reading = (async () => {
        for await (const chunk of answer.body!.pipeThrough(new TextDecoderStream())) {
          const parts = (text + chunk).split('\n\n')
          text = parts.pop() as string
          for (const part of parts.filter((part) => !part.startsWith(':')))
            frames.push({
              id: field(part, 'id'),
              event: field(part, 'event') as string,
              data: JSON.parse(field(part, 'data') as string),
            })
        }
      })().catch(() => {})
      const leave = async () => {
        abort.abort()
        await reading
      }
      return {
        frames,
        leave,
        got: (count: number) => until(`${count} frames`, () => frames.length >= count),
      }
    }

    test('new items come at once, and what is read and unread after them', async () => {
      const stream = await open()
      await made.tell('run.failed')
      await stream.got(1)
      const [{ event, data, id }] = stream.frames as [Frame]
      assert.deepEqual([event, data.type, data.readAt], ['added', 'run.failed', null])
      assert.match(id as string, /^\d+$/)
      const send = (path: string) =>
        fetch(`${url}/v1/inbox${path}`, { method: 'POST', headers: { authorization: 'ours' } })
      const bodyOf = async (path: string) =>
        (await (await send(path)).json()) as { readAt?: string | null; count?: number }
      assert.ok((await bodyOf(`/${data.id}/read`)).readAt)
      assert.equal((await bodyOf(`/${data.id}/unread`)).readAt, null)
      assert.deepEqual(await bodyOf('/read'), { count: 1 })
      await stream.got(4)
      const changes = stream.frames.slice(1).map(({ event, data }) => [event, data])
      const one = { itemIds: [data.id] }
      assert.deepEqual(changes, [
        ['read', one],
        ['unread', one],
        ['all_read', { count: 1 }],
      ])
      await stream.leave()
    })

    test('a reader that was away is told of what it missed, once, and goes on live', async () => {
      const first = await open()
      await made.tell('run.failed')
      await first.got(1)
      await first.leave()
      const seen = first.frames[0]!.id as string
      for (const type of ['run.timed_out', 'run.stopped']) await made.tell(type)
      const items = () => made.notifications.inbox.items(made.engine.tenantId, { limit: 10 })
      await until('both', async () => (await items()).some(({ type }) => type === 'run.stopped'))
      const second = await open('', { 'last-event-id': seen })
      await second.got(2)
      await made.tell('run.cancelled')
      await second.got(3)
      await second.leave()
      const types = second.frames.map(({ data }) => data.type)
      assert.deepEqual(types, ['run.timed_out', 'run.stopped', 'run.cancelled'])
    })

    test("a member's stream has what was told to that member; another tenant's has nothing", async () => {
      const ours = await open('?memberId=ann')
      const theirs = await open('?after=0', {}, 'theirs')
      await made.tell('run.failed')
      await made.tell('task.dead', { data: { kind: 'x' } })
      await ours.got(1)
      assert.deepEqual(
        [ours.frames.length, ours.frames[0]!.data.type, ours.frames[0]!.data.memberId],
        [1, 'task.dead', 'ann'],
      )
      assert.deepEqual(theirs.frames, [])
      for (const stream of [ours, theirs]) await stream.leave()
    })

    /** An event of several items at once, each with a text of so many characters. */
    const putMany = async (count: number, characters: number): Promise<void> => {
      const { tenantId } = made.engine
      const item = { tenantId, projectId: null, channelId: 'c', type: 'run.failed', severity: 'error' } as const
      const text = JSON.stringify({ text: 'x'.repeat(characters) })
      const items = Array.from({ length: count }, (_, i) => ({
        ...item,
        ...{ id: randomUUID(), title: String(i), message: text, memberId: 'ann', readAtMs: null, createdAtMs: i },
      }))
      await opened.db.transaction(async (tx) => {
        await makeInboxRepository(tx).addItems(items)
        const data = { itemIds: items.map(({ id }) => id) }
        await writeEvent(tx, { tenantId, projectId: null, type: 'inbox.added', data, atMs: Date.now() })
      })
    }

    test('a reader takes much at its own pace, on one connection, and goes on live', async () => {
      const stream = await open('?memberId=ann')
      await putMany(120, 60_000)
      await stream.got(120)
      await made.tell('task.dead', { data: { kind: 'x' } })
      await stream.got(121)
      const { frames } = stream
      const ids = frames.map(({ id }) => id !== undefined)
      assert.deepEqual(ids, [...Array(119).fill(false), true, true])
      assert.deepEqual(
        frames.slice(0, 120).map(({ data }) => data.title),
        Array.from({ length: 120 }, (_, i) => String(i)),
      )
      await stream.leave()
    })

    test('an event that comes after a younger one is told of as well', async () => {
      const stream = await open()
      const event = { tenantId: made.engine.tenantId, projectId: null, runId: null, taskId: null, atMs: Date.now() }
      const read = (id: number) => ({ ...event, id, type: 'inbox.read', data: { itemIds: [String(id)] } })
      for (const id of [1_000_002, 1_000_001, 1_000_002]) opened.hub.publish([read(id)])
      await stream.got(2)
      await stream.leave()
      assert.deepEqual(
        stream.frames.map(({ id }) => id),
        ['1000002', '1000001'],
      )
    })

    test('of the log a reader that comes back reads what is of the inbox alone, by its index', async () => {
      const plan = await opened.db.transaction(async (tx) => {
        if (opened.db.dialect === 'postgres') await sql`SET LOCAL enable_seqscan = off`.execute(tx.withTables())
        const how = opened.db.dialect === 'postgres' ? sql`COSTS OFF` : sql`QUERY PLAN`
        const query = eventsOfInbox(tx, made.engine.tenantId).selectAll().where('id', '>', 0).orderBy('id').limit(10)
        return JSON.stringify(await query.explain(undefined, how))
      })
      assert.match(plan, /idx_events_inbox/)
      const { inbox } = made.notifications
      const types = (await inbox.eventsAfter(made.engine.tenantId, 0, 500)).map(({ type }) => type)
      assert.ok(types.length > 0 && types.every((type) => type.startsWith('inbox.')), types.join())
    })

    test('a server that closes ends its streams', async () => {
      const stream = await open()
      await until('the streams of the other tests to be gone', () => server.openStreams.size === 1)
      for (const close of server.openStreams) close()
      await until('the end', () => server.openStreams.size === 0)
      await stream.leave()
    })
  })
}
