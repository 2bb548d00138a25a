/** A TCP port that leads to a server, and can be shut: to whoever knows only the gate, the server is away then. */
import { connect, createServer, type Server, type Socket } from 'node:net'
import { type Cleanup, wholeFile } from './cleanup.ts'
import { freePort } from './free-port.ts'

export interface Gate {
  readonly port: number
  open(): Promise<void>
  /** Cuts what goes through it, too. */
  shut(): Promise<void>
}

/** Shut at first. */
export const makeGate = async (target: { host: string; port: number }, t: Cleanup = wholeFile): Promise<Gate> => {
  const port = await freePort()
  const sockets = new Set<Socket>()
  let server: Server | undefined
  const keep = (socket: Socket): Socket => {
    sockets.add(socket)
    return socket.on('error', () => {}).once('close', () => sockets.delete(socket))
  }
  const shut = async (): Promise<void> => {
    const closing = server
    server = undefined
    for (const socket of sockets) socket.destroy()
    if (closing) await new Promise((resolve) => closing.close(resolve))
  }
  t.after(shut)
  return {
    port,
    shut,
    async open() {
      const opening = createServer((near) => {
        const far = keep(connect(target))
        keep(near).pipe(far).pipe(near)
        near.once('close', () => far.destroy())
        far.once('close', () => near.destroy())
      })
      server = opening
      await new Promise<void>((resolve, reject) => {
        opening.once('error', reject)
        opening.listen(port, '127.0.0.1', resolve)
      })
    },
  }
}
