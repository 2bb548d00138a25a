/** The builtin skill `core`: tools that do next to nothing, for trying things out, for tests and for measurements. */
import type { Clock } from '../../platform/clock.ts'
import type { Json, JsonObject } from '../../platform/json.ts'
import { type BuiltinSkill, type Tool, type ToolCall, toolErrors } from '../tool.ts'

export const makeCoreSkill = (clock: Clock): BuiltinSkill => ({
  name: 'core',
  description: 'Tools for trying things out: echo, noop, sleep and fail.',
  tools: [echo, noop, makeSleep(clock), fail],
})

const echo: Tool = {
  name: 'echo',
  description: 'Returns its input unchanged.',
  inputSchema: {},
  run: async (input) => input,
}

const noop: Tool = {
  name: 'noop',
  description: 'Does nothing and returns null, whatever the input.',
  inputSchema: {},
  run: async () => null,
}

const LONGEST_SLEEP_MS = 3_600_000
const HEARTBEAT_MS = 1000

const makeSleep = (clock: Clock): Tool => ({
  name: 'sleep',
  description:
    'Waits for so many milliseconds, then returns { "sleptMs": … }. It holds its place with an executor meanwhile.',
  inputSchema: {
    type: 'object',
    required: ['ms'],
    additionalProperties: false,
    properties: { ms: { type: 'integer', minimum: 0, maximum: LONGEST_SLEEP_MS } },
  },
  async run(input, call) {
    const { ms } = input as { ms: number }
    for (let leftMs = ms; leftMs > 0; leftMs -= HEARTBEAT_MS) {
      call.heartbeat({ leftMs })
      await pause(clock, Math.min(leftMs, HEARTBEAT_MS), call.signal)
    }
    return { sleptMs: ms }
  },
})

const pause = (clock: Clock, ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    signal.throwIfAborted()
    const stop = (): void => {
      cancel()
      reject(signal.reason)
    }
    const cancel = clock.after(ms, () => {
      signal.removeEventListener('abort', stop)
      resolve()
    })
    signal.addEventListener('abort', stop, { once: true })
  })

const fail: Tool = {
  name: 'fail',
  description:
    'Fails, to see what happens then: on every attempt, or only on the first so many ("attempts"). "retryable": false ends the task at once. When it does not fail, it returns { "attempt": … }.',
  inputSchema: {
    type: 'object',
    additionalProperties: false,
    properties: {
      message: { type: 'string', maxLength: 1000 },
      attempts: { type: 'integer', minimum: 0 },
      retryable: { type: 'boolean' },
      retryAfterMs: { type: 'integer', minimum: 0 },
    },
  },
  run: async (input, call) => failOrNot(input as JsonObject, call),
}

const failOrNot = (input: JsonObject, { attempt }: ToolCall): Json => {
  const {
    message = 'failed as asked',
    attempts,
    retryable = true,
    retryAfterMs,
  } = input as {
    message?: string
    attempts?: number
    retryable?: boolean
    retryAfterMs?: number
  }
  if (attempts !== undefined && attempt > attempts) return { attempt }
  const options = { details: { attempt }, ...(retryAfterMs !== undefined && { retryAfterMs }) }
  throw retryable ? toolErrors.tool_failed_retryable(message, options) : toolErrors.tool_failed(message, options)
}
