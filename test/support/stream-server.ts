/** A server with one route, whose reply is a stream of server-sent events, for tests of such connections. */
import { randomUUID } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import {
  type EventConnection,
  type EventConnectionOptions,
  openEventConnection,
} from '../../src/platform/http/event-connection.ts'
import type { Permission } from '../../src/platform/http/principal.ts'
import { type HttpServer, makeHttpServer } from '../../src/platform/http/server.ts'
import { makeLog } from '../../src/platform/log.ts'
import type { Cleanup } from './cleanup.ts'

export interface StreamServer {
  readonly server: HttpServer
  /** Those that were opened, the oldest first. */
  readonly connections: readonly EventConnection[]
  /** Listens from the first call on. */
  url(): Promise<string>
}

/** `GET /v1/things/stream` takes `events:read`. `asked` tells what the caller may do, or throws. */
export const makeStreamServer = async (
  t: Cleanup,
  asked: () => readonly Permission[] = () => ['events:read'],
  options: Partial<EventConnectionOptions> = {},
): Promise<StreamServer> => {
  const connections: EventConnection[] = []
  const server = await makeHttpServer({
    log: makeLog('silent'),
    makeId: randomUUID,
    bodyLimitBytes: 1024,
    version: '0',
    authenticate: () => ({
      ...{ kind: 'key', tenantId: 't', projectId: null, keyId: 'k', name: 'k', memberId: null, role: null },
      permissions: new Set(asked()),
    }),
    routes: [
      (server) =>
        server.get('/v1/things/stream', { config: { permission: 'events:read' } }, async (request, reply) => {
          connections.push(openEventConnection(request, reply, { heldBytes: 1024, closed() {}, ...options }))
        }),
    ],
  })
  t.after(() => server.close())
  return {
    server,
    connections,
    async url() {
      if (!server.server.listening) await server.listen({ port: 0, host: '127.0.0.1' })
      return `http://127.0.0.1:${(server.server.address() as AddressInfo).port}/v1/things/stream`
    },
  }
}
