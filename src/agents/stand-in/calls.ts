/** Counts the calls that the stand-in was asked for, in total and by conversation, within a bounded memory. */

export interface StandInCall {
  /** From 1, in the order of arrival. */
  readonly number: number
  readonly key: string
  readonly turn: number
  /** The name of the rule that answered, or its number from 1. */
  readonly rule: string
  readonly stream: boolean
  /** Whether the whole answer was sent, without a fault that spoils it. */
  answered: boolean
}

export interface KeyCount {
  readonly calls: number
  readonly answered: number
}

export interface CallReport {
  readonly total: number
  readonly answered: number
  /** The latest, oldest first. */
  readonly calls: readonly StandInCall[]
}

const MOST_CALLS_KEPT = 1000
const MOST_KEYS_KEPT = 100_000

export const makeCallLog = () => {
  let total = 0
  let answered = 0
  const calls: StandInCall[] = []
  const keys = new Map<string, { calls: number; answered: number }>()

  return {
    /** Counts a call that has arrived. */
    begin(call: Omit<StandInCall, 'number' | 'answered'>): StandInCall {
      const entry: StandInCall = { ...call, number: ++total, answered: false }
      calls.push(entry)
      if (calls.length > MOST_CALLS_KEPT) calls.shift()
      const count = keys.get(call.key) ?? { calls: 0, answered: 0 }
      count.calls++
      keys.set(call.key, count)
      if (keys.size > MOST_KEYS_KEPT) keys.delete(keys.keys().next().value!)
      return entry
    },
    /** Marks a call whose answer has been sent whole. */
    finish(entry: StandInCall): void {
      answered++
      entry.answered = true
      const count = keys.get(entry.key)
      if (count) count.answered++
    },
    report: (): CallReport => ({ total, answered, calls: calls.map((call) => ({ ...call })) }),
    countFor: (key: string): KeyCount => ({ ...(keys.get(key) ?? { calls: 0, answered: 0 }) }),
    reset(): void {
      total = 0
      answered = 0
      calls.length = 0
      keys.clear()
    },
  }
}
