/**
 * Messages between the processes of one installation. They carry wake-ups and hints, never the truth: a message that is lost makes
 * something later, not wrong, because the sweeps find in the database what it told of.
 */
import type { Json } from '../json.ts'

export type BusListener = (message: Json, from: string) => void

export interface Bus {
  /** Whether there can be other processes at all. */
  readonly isShared: boolean
  /** To one process, by its worker id. Messages of one moment travel together, in order. */
  send(to: string, topic: string, message: Json): void
  /** To all others. */
  broadcast(topic: string, message: Json): void
  /** To all others; resolves when each that is alive has acted on it, or after a moment. */
  ask(topic: string, message: Json): Promise<void>
  /** `listener` acts before it returns. One per topic. */
  on(topic: string, listener: BusListener): void
  /** Others joined, or messages may have been lost: whoever counts on messages looks for itself. */
  onGap(listener: () => void): void
  /** That process is there, as far as is known here. */
  knows(id: string): boolean
  /** Processes that were there and certainly listen no more: they ended without a word. */
  gone(): Promise<string[]>
  /** Those are dead for certain: resolves when all others have acted on it, or after a moment. */
  declareGone(ids: readonly string[]): Promise<void>
  /** A process has not been heard of for a while, or was declared gone. */
  onLeft(listener: (id: string) => void): void
  /** Messages arrive from now on. Listeners are registered before. */
  start(): Promise<void>
  stop(): Promise<void>
}

/** For a process that is alone: nobody hears anything. */
export const makeLocalBus = (): Bus => ({
  isShared: false,
  send: () => {},
  broadcast: () => {},
  ask: async () => {},
  on: () => {},
  onGap: () => {},
  knows: () => false,
  gone: async () => [],
  declareGone: async () => {},
  onLeft: () => {},
  start: async () => {},
  stop: async () => {},
})
