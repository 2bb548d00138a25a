/** A proxy before a server on loopback that stands still when it is told to: its connections stay open, and nothing comes through any more. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export interface StallingProxy {
  readonly port: number
  /** Passes on so many more bytes of the server's answers, then none. */
  stallAfter(bytes: number): void
}

export const makeStallingProxy = async (
  t: { after(work: () => void): void },
  targetPort: number,
): Promise<StallingProxy> => {
  const sockets: Socket[] = []
  let left = Number.POSITIVE_INFINITY
  const server = createServer((socket) => {
    const upstream = connect(targetPort, '127.0.0.1')
    sockets.push(socket, upstream)
    for (const each of [socket, upstream]) each.on('error', () => {})
    socket.pipe(upstream)
    upstream.on('data', (chunk) => {
      socket.write(chunk.subarray(0, Math.max(0, left)))
      left -= chunk.length
    })
    upstream.on('end', () => socket.end())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return {
    port: (server.address() as AddressInfo).port,
    stallAfter(bytes) {
      left = bytes
    },
  }
}
