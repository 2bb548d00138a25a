/** What the tests of notifications share: the service over a real engine, and a receiver that checks what it gets. */
import { randomBytes, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { Webhook } from 'standardwebhooks'
import type { WorkflowFunction } from '../../src/engine/index.ts'
import {
  makeNotificationService,
  type NotificationService,
  type NotificationServiceOptions,
} from '../../src/notifications/service.ts'
import { systemClock } from '../../src/platform/clock.ts'
import type { NewEvent } from '../../src/platform/events/event.ts'
import { makeEventLog } from '../../src/platform/events/log.ts'
import { makeIdGenerator } from '../../src/platform/ids.ts'
import { makeLog } from '../../src/platform/log.ts'
import { makeOutbound } from '../../src/platform/outbound/outbound.ts'
import type { Cleanup } from './cleanup.ts'
import type { TestDatabase } from './databases.ts'
import { startTestEngine, type TestEngine } from './engine.ts'
import { PATIENCE_MS } from './until.ts'

export interface Received {
  readonly headers: http.IncomingHttpHeaders
  readonly body: string
  readonly atMs: number
}

export interface Reply {
  readonly status: number
  readonly headers?: Record<string, string>
  readonly body?: string
  readonly delayMs?: number
}

export interface Receiver {
  readonly url: string
  readonly received: Received[]
  stop(): void
}

/** Answers with one reply after the other, the last one again and again. */
export const startReceiver = async (...replies: Reply[]): Promise<Receiver> => {
  const received: Received[] = []
  const server = http.createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const reply = replies[Math.min(received.length, replies.length - 1)] ?? { status: 200 }
    received.push({ headers: request.headers, body: Buffer.concat(chunks).toString(), atMs: Date.now() })
    setTimeout(() => response.writeHead(reply.status, reply.headers).end(reply.body), reply.delayMs ?? 0).unref()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook?a=1`,
    received,
    stop() {
      server.closeAllConnections()
      server.close()
    },
  }
}

/** What the reference library makes of it; throws when the signature is wrong. */
export const verify = (secret: string, { body, headers }: Received): Record<string, unknown> =>
  new Webhook(secret).verify(body, headers as Record<string, string>) as Record<string, unknown>

export interface TestNotifications {
  readonly notifications: NotificationService
  readonly engine: TestEngine
  /** Commits an event as the hot path does. */
  tell(type: string, more?: Partial<NewEvent>): Promise<void>
}

export type TestOptions = Partial<NotificationServiceOptions> & {
  readonly allow?: readonly string[]
  /** One that runs already: a second service beside the first. */
  readonly engine?: TestEngine
  readonly workflows?: Record<string, WorkflowFunction>
  /** Of the engine's executor. */
  readonly concurrency?: number
}

const DELIVER = 'notification:deliver'
/** Shared, since engines over the same database do each other's tasks. */
const SECRET_KEY = randomBytes(32)

/** Retries follow within milliseconds. The outbox is started by the test. */
export const makeTestNotifications = async (
  t: Cleanup,
  { db, hub }: TestDatabase,
  options: TestOptions = {},
): Promise<TestNotifications> => {
  const outbound = makeOutbound({
    allow: options.allow ?? ['127.0.0.1'],
    timeoutMs: PATIENCE_MS,
    maxResponseBytes: 100_000,
  })
  const holder: { notifications?: NotificationService } = {}
  const startEngine = () =>
    startTestEngine({
      db,
      workflows: options.workflows ?? {},
      ...(options.concurrency !== undefined && { concurrency: options.concurrency }),
      handlers: {
        [DELIVER]: (input, call) => holder.notifications!.handler(DELIVER)!(input, call),
        ok: async () => 'ok',
        bad: async () => {
          throw new Error('bad')
        },
      },
    })
  const engine = options.engine ?? (await startEngine())
  const notifications = makeNotificationService({
    db,
    hub,
    outbound,
    clock: systemClock,
    makeId: makeIdGenerator(),
    log: makeLog(process.env.TEST_LOG ?? 'silent'),
    secretKey: SECRET_KEY,
    isMember: async (_, memberId) => ['ann', 'bob'].includes(memberId),
    revealSecret: async ({ reference }) => `value-of-${reference.$secret}`,
    eventLog: makeEventLog(db),
    createTask: (request) => engine.tasks.create(request),
    timeoutMs: PATIENCE_MS,
    retry: { attempts: 3, backoff: 'constant', delay: 60 },
    ...options,
  })
  holder.notifications = notifications
  t.after(async () => {
    await notifications.stop()
    if (!options.engine) await engine.stop()
    await outbound.stop()
  })
  return {
    notifications,
    engine,
    tell: (type, more = {}) =>
      db.commit({
        writes: [],
        events: [
          {
            tenantId: engine.tenantId,
            projectId: null,
            runId: randomUUID(),
            taskId: null,
            type,
            data: { durationMs: 5, error: { code: 'oops', message: 'it broke' } },
            atMs: Date.now(),
            ...more,
          },
        ],
      }),
  }
}
