import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { type AddressInfo, connect } from 'node:net'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { makeLog } from '../log.ts'
import { PERMISSIONS } from './principal.ts'
import { makeHttpServer } from './server.ts'

test('a request that does not arrive whole in time is refused; an answer may take as long as it likes', async (t) => {
  const server = await makeHttpServer({
    log: makeLog('silent'),
    makeId: randomUUID,
    bodyLimitBytes: 1000,
    version: '0',
    arriveMs: 200,
    authenticate: () => ({
      ...({ kind: 'key', name: '', memberId: null, role: null, projectId: null } as const),
      ...{ tenantId: 'a', keyId: 'k', permissions: new Set(PERMISSIONS) },
    }),
    routes: [
      (made) => {
        made.post('/v1/x', { config: { permission: 'runs:write' } }, async () => {
          await sleep(1000)
          return { done: true }
        })
      },
    ],
  })
  t.after(() => server.close())
  await server.listen({ port: 0, host: '127.0.0.1' })
  const { port } = server.server.address() as AddressInfo
  const head = 'POST /v1/x HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-type: application/json\r\n'
  const answerTo = async (text: string): Promise<string> => {
    const socket = connect(port, '127.0.0.1')
    socket.write(text)
    let answer = ''
    const isOver = new Promise((resolve) =>
      socket
        .on('data', (data) => {
          answer += data
        })
        .on('close', resolve),
    )
    await Promise.race([isOver, sleep(4000)])
    socket.destroy()
    return answer
  }
  const [slow, chunked, whole] = await Promise.all([
    answerTo(`${head}content-length: 10\r\n\r\n{`),
    answerTo(`${head}transfer-encoding: chunked\r\n\r\n1\r\n{\r\n`),
    answerTo(`${head}content-length: 2\r\n\r\n{}`),
  ])
  for (const answer of [slow, chunked]) {
    assert.match(answer, /^HTTP\/1\.1 408 /)
    assert.match(answer, /request_timeout/)
  }
  assert.match(whole, /^HTTP\/1\.1 200 /)
  assert.match(whole, /done/)
})
