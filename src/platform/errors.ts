/** The one error class of the system. Every domain keeps a table of its codes; HTTP answers are made from it at the edge. */

export interface ErrorSpec {
  /** HTTP status that the code stands for. */
  readonly status: number
  /** Whether the same call may succeed later without a change by the caller. */
  readonly retryable?: boolean
}

/** One finding of a refused input: where, what was wrong, what was given and what would be right. */
export interface Finding {
  readonly path: string
  readonly message: string
  readonly given?: unknown
  readonly expected?: string
  readonly code?: string
}

export interface AppErrorOptions {
  readonly status?: number
  readonly retryable?: boolean
  readonly findings?: readonly Finding[]
  readonly details?: Readonly<Record<string, unknown>>
  /** How long the caller should wait before the next try, in milliseconds. */
  readonly retryAfterMs?: number
  readonly cause?: unknown
}

/** An error with a stable `code`. `message` is for people; programs decide by `code`. */
export class AppError extends Error {
  readonly code: string
  readonly status: number
  readonly retryable: boolean
  readonly findings: readonly Finding[] | undefined
  readonly details: Readonly<Record<string, unknown>> | undefined
  readonly retryAfterMs: number | undefined

  constructor(code: string, message: string, options: AppErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'AppError'
    this.code = code
    this.status = options.status ?? 500
    this.retryable = options.retryable ?? false
    this.findings = options.findings
    this.details = options.details
    this.retryAfterMs = options.retryAfterMs
  }
}

type ErrorArguments = [message: string, options?: Omit<AppErrorOptions, 'status' | 'retryable'>]

/** Turns a table of codes into functions that make the errors: `const errors = defineErrors({ not_found: { status: 404 } })`. */
export const defineErrors = <T extends Record<string, ErrorSpec>>(
  table: T,
): { readonly [K in keyof T]: (...args: ErrorArguments) => AppError } => {
  const makers: Record<string, (...args: ErrorArguments) => AppError> = {}
  for (const [code, spec] of Object.entries(table)) {
    makers[code] = (message, options = {}) =>
      new AppError(code, message, { ...options, status: spec.status, retryable: spec.retryable ?? false })
  }
  return makers as { readonly [K in keyof T]: (...args: ErrorArguments) => AppError }
}

/** The text of anything, also of what has none: code may throw whatever it likes. */
export const textOf = (value: unknown): string => {
  try {
    return String(value)
  } catch {
    return Object.prototype.toString.call(value)
  }
}

const jsonOf = (value: object): string | undefined => {
  try {
    const text = JSON.stringify(value)
    return text === '{}' ? undefined : text
  } catch {
    return undefined
  }
}

/** Anything thrown as an error: code may throw what is none, nothing at all, or what throws itself when it is looked at. */
export const asError = (thrown: unknown): Error => {
  try {
    if (thrown instanceof Error) {
      // Looked at here once, so that nobody after this meets what throws then.
      void [thrown.name, thrown.message, (thrown as { code?: unknown }).code]
      return thrown
    }
    if (typeof thrown !== 'object' || thrown === null) return new Error(textOf(thrown))
    const { message, code } = thrown as { message?: unknown; code?: unknown }
    const error = new Error(typeof message === 'string' ? message : (jsonOf(thrown) ?? textOf(thrown)))
    return typeof code === 'string' || typeof code === 'number' ? Object.assign(error, { code }) : error
  } catch {
    return new Error('what was thrown cannot be looked at')
  }
}

/** The message of anything thrown. */
export const messageOf = (error: unknown): string => textOf(asError(error).message)
