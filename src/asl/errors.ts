/** Errors of a States Language run: they carry a name and a cause, as Retry and Catch see them, and say who worded them. */

/** Error names that the language itself defines. */
export const STATES = {
  all: 'States.ALL',
  taskFailed: 'States.TaskFailed',
  timeout: 'States.Timeout',
  heartbeatTimeout: 'States.HeartbeatTimeout',
  runtime: 'States.Runtime',
  dataLimitExceeded: 'States.DataLimitExceeded',
  queryEvaluation: 'States.QueryEvaluationError',
  intrinsicFailure: 'States.IntrinsicFailure',
  noChoiceMatched: 'States.NoChoiceMatched',
  resultPathMatchFailure: 'States.ResultPathMatchFailure',
  parameterPathFailure: 'States.ParameterPathFailure',
  permissions: 'States.Permissions',
  branchFailed: 'States.BranchFailed',
  itemReaderFailed: 'States.ItemReaderFailed',
  resultWriterFailed: 'States.ResultWriterFailed',
  toleratedFailureExceeded: 'States.ExceedToleratedFailureThreshold',
} as const

export interface AslErrorOptions {
  /** The field whose evaluation failed, such as `Output/total`; for the timeline. */
  readonly field?: string
  /** What went wrong below, for logs. */
  readonly reason?: unknown
  /** Another name that the error answers to in `ErrorEquals`, and is not reported by. */
  readonly alias?: string
}

/** An error with a States Language name. Hosts reject with it; anything else thrown by a host counts as `States.TaskFailed`. */
export class AslError extends Error {
  readonly error: string | undefined
  readonly causeText: string | undefined
  readonly field: string | undefined
  readonly alias: string | undefined

  constructor(error: string | undefined, causeText?: string, options: AslErrorOptions = {}) {
    super(causeText ?? error ?? 'failed', options.reason === undefined ? undefined : { cause: options.reason })
    this.name = 'AslError'
    this.error = error
    this.causeText = causeText
    this.field = options.field
    this.alias = options.alias
  }
}

/** An error that the interpreter found itself; its text gets the state's name in front when it leaves the state. */
export class EngineError extends AslError {
  /** The same error, telling which state it came from. */
  at(state: string, enteredEventId: number): AslError {
    const text = `An error occurred while executing the state '${state}' (entered at the event id #${enteredEventId}). ${this.causeText}`
    return new AslError(this.error, text, { field: this.field, reason: this.cause })
  }
}

/** Thrown inside a branch that a failed sibling or an outer end has stopped; never reaches a user. */
export class BranchStopped extends Error {
  constructor() {
    super('stopped')
    this.name = 'BranchStopped'
  }
}

export const runtimeError = (cause: string, options?: AslErrorOptions): EngineError =>
  new EngineError(STATES.runtime, cause, options)

export const queryError = (cause: string, options?: AslErrorOptions): EngineError =>
  new EngineError(STATES.queryEvaluation, cause, options)

/** What a host rejected with, as an error of the language: its own, or one of the given name. */
export const hostError = (thrown: unknown, name: string = STATES.taskFailed): AslError => {
  if (thrown instanceof AslError) return thrown
  return new AslError(name, thrown instanceof Error ? thrown.message : String(thrown), { reason: thrown })
}

/** A heartbeat that stayed away: the service reports a time-out, which `ErrorEquals` may also call by its own name. */
export const heartbeatTimedOut = (cause?: string, reason?: unknown): AslError =>
  new AslError(STATES.timeout, cause, { reason, alias: STATES.heartbeatTimeout })

/** Asks the host for something; what it rejects with becomes an error of the given name. */
export const askHost = async <T>(name: string, work: () => Promise<T>): Promise<T> => {
  try {
    return await work()
  } catch (thrown) {
    throw hostError(thrown, name)
  }
}

/** What came out of the interpreter itself. Anything but an error of the language is a mistake of ours, and ends the run. */
export const asAslError = (thrown: unknown): AslError => {
  if (thrown instanceof AslError) return thrown
  if (thrown instanceof RangeError) return runtimeError(`A value is nested too deeply or too large: ${thrown.message}`)
  const text = thrown instanceof Error ? thrown.message : String(thrown)
  return runtimeError(`The interpreter failed: ${text}`, { reason: thrown })
}

/** Whether one name of an `ErrorEquals` list covers an error. `States.Runtime` is covered by nothing: it always ends the run. */
export const nameCovers = (name: string, error: AslError): boolean => {
  if (error.error === STATES.runtime) return false
  if (name === STATES.all || name === error.error || name === error.alias) return true
  if (name === STATES.taskFailed) return error.error !== STATES.timeout && error.error !== STATES.heartbeatTimeout
  if (name === STATES.timeout) return error.error === STATES.heartbeatTimeout
  return false
}
