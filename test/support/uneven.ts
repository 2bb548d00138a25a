/**
 * Preloaded into a process (`node --import`), so it acts on import: makes the machine an uneven one. What arrives at a socket now and
 * then arrives late, in order still, and the process stands still for moments, so that things meet that hardly ever do on an even machine.
 * AIDOS_TEST_UNEVEN says how much: 1 is a delay of up to 40 ms for a fifth of what arrives, of up to 300 ms for a hundredth of it, and a
 * pause of up to 200 ms every other second; 0, or nothing, is none at all.
 */
import { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import { isMainThread } from 'node:worker_threads'

const scale = Number(process.env.AIDOS_TEST_UNEVEN ?? 0)
const RARELY = { part: 0.01, longestMs: 300 }
const OFTEN = { part: 0.2, longestMs: 40 }
const PAUSE = { longestMs: 200, everyMs: 3000 }

const delayMs = (): number => {
  const dice = Math.random()
  const { longestMs } = dice < RARELY.part ? RARELY : dice < OFTEN.part ? OFTEN : { longestMs: 0 }
  return longestMs * scale * Math.random()
}

type Push = Readable['push']
type Arrived = Parameters<Push>

const delaySockets = (): void => {
  const prototype = Socket.prototype as Readable
  const push: Push = prototype.push
  const late = new WeakMap<Readable, Arrived[]>()

  const deliver = (socket: Readable, waiting: Arrived[]): void => {
    while (waiting.length > 0) {
      const [chunk, encoding] = waiting.shift() as Arrived
      if (socket.destroyed) waiting.length = 0
      else push.call(socket, chunk, encoding)
    }
  }

  prototype.push = function (this: Readable, chunk: unknown, encoding?: BufferEncoding): boolean {
    const waiting = late.get(this) ?? []
    const ms = delayMs()
    if (waiting.length === 0 && ms === 0) return push.call(this, chunk, encoding)
    late.set(this, waiting)
    // The buffer it lies in may be used again; nothing at all is the end.
    waiting.push([chunk === null ? null : Buffer.from(chunk as Uint8Array), encoding])
    if (waiting.length === 1) setTimeout(() => deliver(this, waiting), ms)
    return true
  }
}

const standStill = (): void => {
  const nobody = new Int32Array(new SharedArrayBuffer(4))
  setTimeout(() => {
    Atomics.wait(nobody, 0, 0, PAUSE.longestMs * scale * Math.random())
    standStill()
  }, PAUSE.everyMs * Math.random()).unref()
}

if (isMainThread && scale > 0) {
  delaySockets()
  standStill()
}

/** For the environment of a process that is to be uneven. */
export const unevenEnv = (much: number): Record<string, string> =>
  much === 0 ? {} : { AIDOS_TEST_UNEVEN: String(much), NODE_OPTIONS: `--import=${import.meta.filename}` }
