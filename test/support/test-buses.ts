/** Several processes' buses over one wire in memory, which can be cut. */
import { setImmediate as turn } from 'node:timers/promises'
import { makeWireBus, type Wire } from '../../src/platform/bus/wire-bus.ts'
import { type Clock, makeFakeClock } from '../../src/platform/clock.ts'

/** Lets all messages under way arrive. */
export const settle = async (): Promise<void> => {
  for (let i = 0; i < 12; i++) await turn()
}

/** Brings texts to whoever hears the channel, unless it is cut. */
const makeTestWires = (clock: Clock) => {
  const ears = new Map<string, Set<(text: string) => void>>()
  const lives = new Map<string, number>()
  let isCut = false
  const reconnects: (() => void)[] = []
  const wire = (heard: [string, (text: string) => void][] = [], state = { isStopped: false }): Wire => ({
    async publish(channel, text) {
      if (isCut || state.isStopped) throw new Error('the wire is cut')
      for (const hear of ears.get(channel) ?? []) setImmediate(() => hear(text))
    },
    async subscribe(channels, hear) {
      for (const channel of channels) {
        ears.set(channel, (ears.get(channel) ?? new Set()).add(hear))
        heard.push([channel, hear])
      }
    },
    async subscribeAgain() {
      for (const [channel, hear] of heard) ears.set(channel, (ears.get(channel) ?? new Set()).add(hear))
    },
    listeners: async (channels) => channels.map((channel) => ears.get(channel)?.size ?? 0),
    showLife: async (channel, forMs) => void lives.set(channel, clock.now() + forMs),
    showsLife: async (channels) => channels.map((channel) => (lives.get(channel) ?? 0) > clock.now()),
    onReconnect: (listener) => void reconnects.push(listener),
    async stop() {
      state.isStopped = true
      for (const [channel, hear] of heard) ears.get(channel)?.delete(hear)
    },
  })
  return {
    wire,
    /** Nobody is found on that channel, as when its node of Redis is not known. */
    hide(channel: string) {
      ears.delete(channel)
    },
    /** All signs of life are swept away. */
    flush: () => lives.clear(),
    cut() {
      isCut = true
    },
    mend() {
      isCut = false
      for (const listener of reconnects) listener()
    },
  }
}

/** Buses of processes that share a wire in memory; not started. */
export const makeTestBuses = async (ids: readonly string[]) => {
  const clock = makeFakeClock()
  const wires = makeTestWires(clock)
  const errors: unknown[] = []
  const buses = ids.map((id) =>
    makeWireBus({ wire: wires.wire(), id, clock, prefix: 'test', onError: (error) => errors.push(error) }),
  )
  return { clock, wires, buses, errors }
}
