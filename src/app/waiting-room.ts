/** Answers for a process that waits for its servers: it lives (`/healthz`), and cannot work yet (`/readyz` says for what it waits). */
import { createServer, type Server } from 'node:http'

export interface WaitingRoom {
  /** Opens at the first reason; rejects when the port is taken. */
  tell(reason: string): Promise<void>
  /** Frees the port. */
  close(): Promise<void>
}

export interface WaitingRoomOptions {
  readonly host: string
  /** 0: nobody knows where to ask, and it stays closed. */
  readonly port: number
}

const PROBLEM = { type: 'urn:aidos:error:starting', title: 'Starting', status: 503, code: 'starting' }

const listen = (server: Server, { host, port }: WaitingRoomOptions): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host, port }, () => {
      server.off('error', reject)
      resolve()
    })
  })

export const makeWaitingRoom = (options: WaitingRoomOptions): WaitingRoom => {
  let server: Server | undefined
  let reason = ''

  const open = (): Server =>
    createServer((request, response) => {
      const answer = (status: number, type: string, body: object): void => {
        const headers = { 'content-type': type, 'retry-after': '1', connection: 'close' }
        response.writeHead(status, headers).end(JSON.stringify(body))
      }
      const path = request.url?.split('?')[0]
      if (path === '/healthz') return answer(200, 'application/json', { status: 'ok' })
      if (path === '/readyz') return answer(503, 'application/json', { status: 'not ready', reason })
      answer(503, 'application/problem+json', { ...PROBLEM, detail: 'this process is starting' })
    })

  return {
    async tell(why) {
      reason = why
      if (server || options.port === 0) return
      server = open()
      await listen(server, options)
    },
    async close() {
      const closing = server
      server = undefined
      if (!closing?.listening) return
      const closed = new Promise((resolve) => closing.once('close', resolve))
      closing.close()
      closing.closeAllConnections()
      await closed
    },
  }
}
