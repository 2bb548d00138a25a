/** Tells what went wrong with a turn, and whether the same request is worth another try. */
import { AppError, type AppErrorOptions, defineErrors, messageOf } from '../../platform/errors.ts'
import { parseRetryAfter, parseRetryAfterMs } from '../../platform/outbound/retry-after.ts'

export const modelErrors = defineErrors({
  /** Too many requests or tokens; `retryAfterMs` says how long to wait, where the service told it. */
  model_rate_limited: { status: 503, retryable: true },
  /** The service is broken or overloaded. */
  model_unavailable: { status: 503, retryable: true },
  /** Nobody answered. */
  model_unreachable: { status: 502, retryable: true },
  model_timeout: { status: 504, retryable: true },
  /** The answer broke off or made no sense: never half an answer. */
  model_answer_broken: { status: 502, retryable: true },
  /** The key is wrong, may not do this, or has nothing left to spend. */
  model_denied: { status: 422 },
  /** The service has no such model, or its address is wrong. */
  model_not_found: { status: 422 },
  /** The service refuses the request as it is. */
  model_request_invalid: { status: 422 },
})

/** The parts of the library's error for a call that are looked at; it is told by its name, as the library itself does. */
interface CallError {
  readonly name: string
  readonly statusCode?: number
  readonly responseHeaders?: Readonly<Record<string, string>>
  readonly responseBody?: string
  readonly data?: { readonly error?: { readonly code?: unknown; readonly type?: unknown } }
}

/** Whatever the library threw, as one of `modelErrors`; `started`: the answer had begun. Outbound errors that no retry mends stay. */
export const modelErrorOf = (error: unknown, { started, nowMs }: { started: boolean; nowMs: number }): AppError => {
  const chain = causes(error)
  const call = chain.find((one) => (one as { name?: unknown }).name === 'AI_APICallError') as CallError | undefined
  const own = chain.find((one) => one instanceof AppError)
  const answered = started || call?.statusCode === 200
  const options = { cause: error }
  if (own && (!own.retryable || Object.hasOwn(modelErrors, own.code))) return own
  if (own?.code === 'outbound_timeout') return modelErrors.model_timeout(own.message, options)
  if (own || chain.some(isNetworkError))
    return answered
      ? modelErrors.model_answer_broken('the answer of the model broke off', options)
      : modelErrors.model_unreachable(own?.message ?? messageOf(error), options)
  if (chain.some((one) => one instanceof Error && one.name === 'TimeoutError'))
    return modelErrors.model_timeout('the model did not answer in time', options)
  if (call?.statusCode !== undefined && call.statusCode !== 200) return statusError(call, error, nowMs)
  if (call || answered || chain.some(isBrokenAnswer))
    return modelErrors.model_answer_broken(`the answer of the model is broken: ${textOf(error)}`, options)
  return modelErrors.model_request_invalid(`the request cannot be sent to a model: ${messageOf(error)}`, options)
}

/** Some services answer 429 to this, though waiting does not help. */
const OUT_OF_MONEY = 'insufficient_quota'

const statusError = (call: CallError, error: unknown, nowMs: number): AppError => {
  const status = call.statusCode ?? 0
  const message = `the model service answered ${status}: ${messageOf(error)}`
  const headers = call.responseHeaders ?? {}
  const retryAfterMs = parseRetryAfterMs(headers['retry-after-ms']) ?? parseRetryAfter(headers['retry-after'], nowMs)
  const details = { status, ...(call.responseBody !== undefined && { body: call.responseBody.slice(0, 1000) }) }
  const options: AppErrorOptions = { cause: error, details, ...(retryAfterMs !== undefined && { retryAfterMs }) }
  const { code, type } = call.data?.error ?? {}
  if (status === 401 || status === 402 || status === 403 || code === OUT_OF_MONEY || type === OUT_OF_MONEY)
    return modelErrors.model_denied(message, options)
  if (status === 404) return modelErrors.model_not_found(message, options)
  if (status === 429) return modelErrors.model_rate_limited(message, options)
  if (status >= 500 || status === 408 || status === 409 || status === 425)
    return modelErrors.model_unavailable(message, options)
  return modelErrors.model_request_invalid(message, options)
}

const isNetworkError = (error: unknown): boolean =>
  (error instanceof TypeError && /^(?:fetch failed|terminated)$/.test(error.message)) ||
  /^(?:ECONN|ENOTFOUND|EPIPE|EHOST|ENET|UND_ERR_)/.test(String((error as { code?: unknown }).code ?? ''))

/** The library's names for answers that make no sense. */
const BROKEN_ANSWERS = new Set([
  'AI_EmptyResponseBodyError',
  'AI_InvalidResponseDataError',
  'AI_InvalidStreamPartError',
  'AI_JSONParseError',
  'AI_NoContentGeneratedError',
  'AI_StreamProviderError',
  'AI_TypeValidationError',
])

/** A service that breaks in the middle of a stream sends an object that tells of it, which comes here as it is. */
const isBrokenAnswer = (error: unknown): boolean =>
  error instanceof Error ? BROKEN_ANSWERS.has(error.name) : typeof error === 'object'

const textOf = (error: unknown): string =>
  error instanceof Error ? error.message : String((error as { message?: unknown }).message ?? error)

/** The error and what caused it, innermost last. */
const causes = (error: unknown): unknown[] => {
  const chain: unknown[] = []
  for (
    let one = error;
    one !== undefined && one !== null && chain.length < 10;
    one = (one as { cause?: unknown }).cause
  )
    chain.push(one)
  return chain
}
