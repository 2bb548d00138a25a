import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { makeFakeClock } from '../clock.ts'
import { makeMemoryLimiter } from '../limits/memory-limiter.ts'
import { makeLog } from '../log.ts'
import { makeHttpServer } from './server.ts'

test('calls without the permission count as requests, too: each of them is work, and an entry of the audit log', async (t) => {
  const refused: string[] = []
  const server = await makeHttpServer({
    log: makeLog('silent'),
    makeId: randomUUID,
    bodyLimitBytes: 1000,
    version: '0',
    authenticate: () => ({
      ...({ kind: 'key', name: '', memberId: null, role: null, projectId: null } as const),
      ...{ tenantId: 'a', keyId: 'k', permissions: new Set(['runs:read'] as const) },
    }),
    limits: {
      limiter: makeMemoryLimiter({ clock: makeFakeClock() }),
      of: () => ({ tenantPerMinute: 0, keyPerMinute: 2, underWay: 0 }),
    },
    routes: [
      (made) => {
        made.addHook('onError', async (_request, _reply, error) => void refused.push(String(error.code)))
        made.post('/v1/x', { config: { permission: 'keys:write' } }, async () => ({}))
      },
    ],
  })
  t.after(() => server.close())
  for (let i = 0; i < 3; i++) await server.inject({ method: 'POST', url: '/v1/x' })
  assert.deepEqual(refused, ['forbidden', 'forbidden', 'rate_limited'])
})
