/** Errors of the engine. */
import { AppError, asError, defineErrors, messageOf, textOf } from '../platform/errors.ts'
import type { Json } from '../platform/json.ts'
import type { ErrorRecord } from './error-record.ts'

export const engineErrors = defineErrors({
  run_not_found: { status: 404 },
  run_finished: { status: 409 },
  run_not_stopped: { status: 409 },
  run_cancelled: { status: 409 },
  run_timed_out: { status: 409 },
  nondeterminism: { status: 409 },
  program_not_loaded: { status: 409 },
  write_refused: { status: 409 },
  signal_timeout: { status: 408 },
  step_timeout: { status: 408, retryable: true },
  duration_invalid: { status: 400 },
  retry_invalid: { status: 400 },
  branches_invalid: { status: 400 },
  payload_too_large: { status: 413 },
  not_serializable: { status: 400 },
  idempotency_conflict: { status: 409 },
})

/** Throw it in a step or a task handler to fail at once, whatever the retry policy says. */
export class NonRetryableError extends AppError {
  constructor(message: string, options: { code?: string; details?: Record<string, unknown>; cause?: unknown } = {}) {
    super(options.code ?? 'non_retryable', message, { status: 422, details: options.details, cause: options.cause })
    this.name = 'NonRetryableError'
  }
}

/** What a run's function sees of a failed step, task or child: the journaled error, thrown. */
export class RunError extends AppError {
  constructor(record: ErrorRecord) {
    super(record.code, record.message, { status: 422, details: record.details as Record<string, unknown> | undefined })
    this.name = 'RunError'
  }
}

/** Characters. As long as the States Language lets a cause be. */
const MESSAGE_MAX = 32_768
const CODE_MAX = 1000
const DETAILS_MAX = 262_144

const cut = (text: string, max: number): string =>
  text.length <= max ? text : `${text.slice(0, max - 40)}… (${text.length} characters)`

const asJson = (value: unknown): Json | undefined => {
  try {
    const text = JSON.stringify(value)
    if (text === undefined) return undefined
    return text.length > DETAILS_MAX ? { omitted: `${text.length} characters` } : (JSON.parse(text) as Json)
  } catch {
    return undefined
  }
}

/** An error's own code, else its name. A number of a DOMException is one of long ago, which nobody knows. */
export const codeOf = (error: Error): string => {
  const { code } = error as { code?: unknown }
  if (code !== undefined && code !== null && !(error instanceof DOMException)) return textOf(code)
  return error.name === 'Error' ? 'error' : textOf(error.name)
}

/** The journaled form of anything thrown, of bounded size. Stack traces stay in the log. */
export const toErrorRecord = (thrown: unknown): ErrorRecord => {
  const error = asError(thrown)
  const details = error instanceof AppError ? asJson(error.details) : undefined
  return {
    code: cut(codeOf(error), CODE_MAX),
    message: cut(messageOf(error), MESSAGE_MAX),
    ...(details === undefined ? {} : { details }),
  }
}
