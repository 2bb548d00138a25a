/** Wait: until a number of seconds has passed, or until a point in time. */
import type { Json, JsonObject } from '../../platform/json.ts'
import { compileDataFlow } from '../data-flow.ts'
import { askHost, queryError, runtimeError, STATES } from '../errors.ts'
import { compileExpression, expectKind, isExpression } from '../query/jsonata.ts'
import { compilePath } from '../query/path.ts'
import { parseOffsetDateTime } from '../timestamps.ts'
import type { Visit } from '../visit.ts'
import { type CompileContext, type Execute, nextOf } from './state.ts'

/** Epoch milliseconds at which the wait is over. */
type WakeTime = (visit: Visit, effective: Json) => Promise<number> | number

/** The longest wait: a bit over three years, the service's own limit. */
const LONGEST_WAIT_SECONDS = 99_999_999

export const compileWait = (state: JsonObject, context: CompileContext): Execute => {
  const flow = compileDataFlow(state, context.language)
  const wakeTime = compileWakeTime(state)
  const next = nextOf(state)
  return async (visit) => {
    const effective = flow.effectiveInput(visit)
    const atMs = await wakeTime(visit, effective)
    const { run, scope } = visit
    // A time that has passed needs no timer.
    if (atMs > run.host.now()) {
      const key = scope.nextKey(visit.state)
      await askHost(STATES.runtime, () => run.host.sleepUntil(key, atMs, scope.signal))
    }
    return { ...(await flow.finish(visit, effective)), next }
  }
}

const compileWakeTime = (state: JsonObject): WakeTime => {
  if (state.Seconds !== undefined) return compileSeconds(state.Seconds)
  if (state.Timestamp !== undefined) return compileTimestamp(state.Timestamp)
  if (typeof state.SecondsPath === 'string') return compileSecondsPath(state.SecondsPath)
  return compileTimestampPath(state.TimestampPath as string)
}

const compileSeconds = (seconds: Json): WakeTime => {
  if (!isExpression(seconds)) return (visit) => visit.run.host.now() + (seconds as number) * 1000
  const evaluate = compileExpression(seconds, 'Seconds')
  return async (visit) => {
    const value = expectKind(await evaluate(visit.focus(visit.input)), 'number', 'Seconds', seconds)
    if (!Number.isInteger(value))
      throw queryError(`The Seconds field must be an integer: ${value}`, { field: 'Seconds' })
    if (value < 0 || value > LONGEST_WAIT_SECONDS) {
      throw queryError(`The Seconds field must be between 0 and ${LONGEST_WAIT_SECONDS}: ${value}`, {
        field: 'Seconds',
      })
    }
    return visit.run.host.now() + value * 1000
  }
}

const compileTimestamp = (timestamp: Json): WakeTime => {
  const read = (text: string): number => {
    const atMs = parseOffsetDateTime(text)
    if (atMs !== undefined) return atMs
    throw queryError(
      `The Timestamp field cannot be parsed as an ISO-8601 extended offset date-time format string: ${text}`,
      { field: 'Timestamp' },
    )
  }
  if (!isExpression(timestamp)) return () => read(timestamp as string)
  const evaluate = compileExpression(timestamp, 'Timestamp')
  return async (visit) => {
    return read(expectKind(await evaluate(visit.focus(visit.input)), 'string', 'Timestamp', timestamp))
  }
}

const compileSecondsPath = (path: string): WakeTime => {
  const find = compilePath(path)
  return (visit, effective) => {
    const value = find(visit.focus(effective))
    const shown = `${path} == ${typeof value === 'string' ? value : JSON.stringify(value)}`
    if (!Number.isSafeInteger(value)) {
      throw runtimeError(`The SecondsPath parameter cannot be parsed as a long value: ${shown}`)
    }
    if ((value as number) < 0) throw runtimeError(`The SecondsPath parameter references a negative value: ${shown}`)
    if ((value as number) > LONGEST_WAIT_SECONDS) {
      throw runtimeError(`The SecondsPath parameter references a value over ${LONGEST_WAIT_SECONDS}: ${shown}`)
    }
    return visit.run.host.now() + (value as number) * 1000
  }
}

const compileTimestampPath = (path: string): WakeTime => {
  const find = compilePath(path)
  return (visit, effective) => {
    const value = find(visit.focus(effective))
    const atMs = typeof value === 'string' ? parseOffsetDateTime(value) : undefined
    if (atMs !== undefined) return atMs
    const shown = `${path} == ${typeof value === 'string' ? value : JSON.stringify(value)}`
    throw runtimeError(
      `The TimestampPath parameter does not reference a valid ISO-8601 extended offset date-time format string: ${shown}`,
    )
  }
}
