/** A server with the routes of one domain, for its route tests: who calls is named in the `Authorization` header itself. */
import { randomUUID } from 'node:crypto'
import { PERMISSIONS, type Permission } from '../../src/platform/http/principal.ts'
import { type HttpServer, makeHttpServer, type Routes } from '../../src/platform/http/server.ts'
import { makeLog } from '../../src/platform/log.ts'

export interface RoutesServerOptions {
  readonly routes: Routes
  /** The tenant of each caller. */
  readonly tenants: Readonly<Record<string, string>>
  /** All that the caller `reader` may do; everybody else may do all. */
  readonly readerMay: Permission
  /** The project of callers whose key is bound to one. */
  readonly projects?: Readonly<Record<string, string>>
  /** The member that a caller is: such may do what the caller `reader` may. */
  readonly members?: Readonly<Record<string, string>>
}

export const makeRoutesServer = ({
  routes,
  tenants,
  readerMay,
  projects = {},
  members = {},
}: RoutesServerOptions): Promise<HttpServer> =>
  makeHttpServer({
    log: makeLog('silent'),
    makeId: randomUUID,
    bodyLimitBytes: 1_048_576,
    version: '0',
    authenticate: (caller = '') => ({
      kind: members[caller] === undefined ? 'key' : 'member',
      tenantId: tenants[caller] as string,
      projectId: projects[caller] ?? null,
      keyId: 'key',
      name: caller,
      memberId: members[caller] ?? null,
      role: null,
      permissions: new Set(caller === 'reader' || members[caller] !== undefined ? [readerMay] : PERMISSIONS),
    }),
    routes: [routes],
  })
