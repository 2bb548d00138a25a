/** Errors that authors throw, and those that the client throws. */
import { AppError, type Finding } from '../platform/errors.ts'

/** Throw it in a step or a task to fail at once, whatever the retry policy says. */
export class NonRetryableError extends AppError {
  constructor(message: string, options: { code?: string; details?: Record<string, unknown>; cause?: unknown } = {}) {
    super(options.code ?? 'non_retryable', message, { status: 422, details: options.details, cause: options.cause })
    this.name = 'NonRetryableError'
  }
}

/** Throw it to have another try not before `retryAfterMs`, as the retry policy allows. */
export class RetryableError extends AppError {
  constructor(message: string, options: { code?: string; retryAfterMs?: number; cause?: unknown } = {}) {
    const { code = 'retryable', retryAfterMs, cause } = options
    super(code, message, {
      status: 503,
      retryable: true,
      cause,
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    })
    this.name = 'RetryableError'
  }
}

/** A definition that cannot be one, thrown where it is written. */
export class DefinitionError extends AppError {
  constructor(message: string) {
    super('definition_invalid', message, { status: 400 })
    this.name = 'DefinitionError'
  }
}

/** What the server answered instead of a result (RFC 9457). `code` is stable; `message` is its `detail`. */
export class ApiError extends AppError {
  readonly requestId: string | undefined
  constructor(problem: {
    readonly status: number
    readonly code: string
    readonly detail: string
    readonly requestId?: string | undefined
    readonly findings?: readonly Finding[] | undefined
    readonly details?: Readonly<Record<string, unknown>> | undefined
    readonly retryAfterMs?: number | undefined
  }) {
    const { status, code, detail, findings, details, retryAfterMs } = problem
    super(code, detail, {
      status,
      retryable: status >= 500 || status === 429,
      ...(findings ? { findings } : {}),
      ...(details ? { details } : {}),
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    })
    this.name = 'ApiError'
    this.requestId = problem.requestId
  }
}

/** No answer came: nobody listens there, or the connection broke. */
export class ConnectionError extends AppError {
  constructor(url: string, cause: unknown) {
    const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause
    const reason = (inner as { code?: string }).code ?? (inner instanceof Error ? inner.message : String(inner))
    super('server_unreachable', `no answer from ${url} (${reason})`, { status: 503, retryable: true, cause })
    this.name = 'ConnectionError'
  }
}
