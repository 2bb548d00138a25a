import assert from 'node:assert/strict'
import test, { after, before, describe } from 'node:test'
import { wholeFile } from '../../test/support/cleanup.ts'
import { DATABASES } from '../../test/support/databases.ts'
import { makeTestNotifications, type TestNotifications } from '../../test/support/notifications.ts'
import { makeRoutesServer } from '../../test/support/routes-server.ts'
import { until } from '../../test/support/until.ts'
import type { HttpServer } from '../platform/http/server.ts'
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
    before(async () => {
      made = await makeTestNotifications(wholeFile, await database.open())
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

    test('a server that closes ends its streams', async () => {
      const stream = await open()
      await until('the streams of the other tests to be gone', () => server.openStreams.size === 1)
      for (const close of server.openStreams) close()
      await until('the end', () => server.openStreams.size === 0)
      await stream.leave()
    })
  })
}
