/** Reads that cost something and that anybody may ask for, as figures of the database are. */
import type { Clock } from './clock.ts'

/** A read may take this part of the time: after one of 10 ms the next comes 200 ms later at the earliest. */
const PART = 1 / 20

/** The same read, made once for all who ask at a time, and answered from the last one for a while after one that took long. */
export const makeCalmRead = <T>(clock: Pick<Clock, 'now'>, read: () => Promise<T>): (() => Promise<T>) => {
  let reading: Promise<T> | undefined
  let last: { readonly value: T; readonly untilMs: number } | undefined

  const readNow = async (): Promise<T> => {
    const beganMs = clock.now()
    try {
      const value = await read()
      const nowMs = clock.now()
      last = { value, untilMs: nowMs + (nowMs - beganMs) / PART }
      return value
    } finally {
      reading = undefined
    }
  }

  return async () => {
    if (last && clock.now() < last.untilMs) return last.value
    reading ??= readNow()
    return reading
  }
}
