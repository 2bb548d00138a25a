/** Errors on the wire: RFC 9457 problem details, the same form for every route. */
import type { Socket } from 'node:net'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { dbErrors, isOutage } from '../db/errors.ts'
import { AppError, type Finding } from '../errors.ts'
import { findingsOf } from './findings.ts'

export interface Problem {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly code: string
  readonly detail: string
  readonly requestId: string
  readonly findings?: readonly Finding[]
  readonly details?: unknown
}

/** Each code has a stable type. */
const problemType = (code: string): string => `urn:aidos:error:${code}`

const titleOf = (code: string): string => {
  const words = code.replaceAll('_', ' ')
  return words.charAt(0).toUpperCase() + words.slice(1)
}

const FASTIFY_CODES: Readonly<Record<string, { code: string; detail?: string }>> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: { code: 'media_type_unsupported', detail: 'send the body as application/json' },
  FST_ERR_CTP_INVALID_JSON_BODY: {
    code: 'json_malformed',
    detail: 'the body has a key "__proto__", or "constructor" with a "prototype", which no object may have',
  },
  FST_ERR_CTP_EMPTY_JSON_BODY: { code: 'json_malformed', detail: 'the body is empty; send a JSON object' },
  FST_ERR_BAD_URL: { code: 'url_malformed' },
  FST_ERR_MAX_PARAM_LENGTH: { code: 'url_too_long', detail: 'a part of the path is longer than 500 characters' },
  FST_ERR_CTP_BODY_TOO_LARGE: { code: 'body_too_large' },
}

const tooLarge = ({ headers, routeOptions }: FastifyRequest): string => {
  const given = headers['content-length']
  const what = given === undefined ? 'is too large' : `has ${given} bytes`
  return `the body ${what}; allowed: ${routeOptions.bodyLimit} (BODY_LIMIT_BYTES)`
}

const problemOf = (requestId: string, status: number, code: string, detail: string): Problem => ({
  type: problemType(code),
  title: titleOf(code),
  status,
  code,
  detail,
  requestId,
})

/** A restart of the database takes about so long. */
const RETRY_AFTER_MS = 1000

/** What the HTTP parser refused before there was a request. */
const REFUSALS: Readonly<Record<string, { status: number; line: string; code: string; detail: string }>> = {
  HPE_HEADER_OVERFLOW: {
    status: 431,
    line: 'Request Header Fields Too Large',
    code: 'headers_too_large',
    detail: 'the URL and headers are larger than 16 KiB together',
  },
  ERR_HTTP_REQUEST_TIMEOUT: {
    status: 408,
    line: 'Request Timeout',
    code: 'request_timeout',
    detail: 'the request did not arrive whole in time',
  },
}
const MALFORMED = { status: 400, line: 'Bad Request', code: 'http_malformed', detail: 'this is not an HTTP request' }

/** Answers on a connection whose request could not even be read, and closes it. */
export const refuseConnection = (error: Error & { code?: string }, socket: Socket, requestId: string): void => {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy()
  const { status, line, code, detail } = REFUSALS[error.code ?? ''] ?? MALFORMED
  const body = JSON.stringify(problemOf(requestId, status, code, detail))
  const head = [
    `HTTP/1.1 ${status} ${line}`,
    'content-type: application/problem+json',
    `content-length: ${Buffer.byteLength(body)}`,
    `x-request-id: ${requestId}`,
    'connection: close',
  ]
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`)
}

/** The problem that an error stands for. Details of faults of our own stay in the log. */
const toProblem = (error: unknown, request: FastifyRequest): Problem => {
  const requestId = request.id
  const problem = (status: number, code: string, detail: string, more: Partial<Problem> = {}): Problem => ({
    ...problemOf(requestId, status, code, detail),
    ...more,
  })
  if (error instanceof AppError && error.status < 500) {
    const more = {
      ...(error.findings ? { findings: error.findings } : {}),
      ...(error.details ? { details: error.details } : {}),
    }
    return problem(error.status, error.code, error.message, more)
  }
  if (error instanceof AppError && error.retryable) return problem(error.status, error.code, error.message)
  const fastify = error as FastifyError
  if (fastify.validation) {
    const { findings, more } = findingsOf(fastify, request)
    const places = findings.map((finding) => `${finding.path}: ${finding.message}`)
    if (more > 0) places.push(`and ${more} more`)
    return problem(400, 'request_invalid', places.join('; '), { findings })
  }
  const known = FASTIFY_CODES[fastify.code]
  if (known?.code === 'body_too_large') return problem(413, known.code, tooLarge(request))
  if (known) return problem(fastify.statusCode ?? 400, known.code, known.detail ?? fastify.message)
  if (error instanceof SyntaxError && fastify.statusCode === 400) return problem(400, 'json_malformed', error.message)
  if (fastify.statusCode && fastify.statusCode < 500)
    return problem(fastify.statusCode, 'request_refused', fastify.message)
  return problem(500, 'internal_error', 'something went wrong on our side; the log has it under this request id')
}

/** The database restarts, or has no room: the caller did nothing wrong, and may ask again in a moment. */
const outageAsProblem = (error: unknown): unknown =>
  error instanceof AppError || !isOutage(error)
    ? error
    : dbErrors.database_away('the database is away; try again in a moment', {
        cause: error,
        retryAfterMs: RETRY_AFTER_MS,
      })

declare module 'fastify' {
  interface FastifyReply {
    /** It tells of what passes by itself: the same request may be done the next time. */
    isRetryable: boolean
  }
}

export const sendProblem = (thrown: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply => {
  const error = outageAsProblem(thrown)
  const problem = toProblem(error, request)
  reply.isRetryable = error instanceof AppError && error.retryable
  if (problem.status >= 500) {
    // What passes by itself (load, a stop) is no fault, and a flood of it must not become a flood of lines.
    request.log[reply.isRetryable ? 'debug' : 'error'](
      { err: error },
      reply.isRetryable ? 'a request was put off' : 'a request failed',
    )
  }
  if (error instanceof AppError && error.retryAfterMs !== undefined) {
    reply.header('retry-after', Math.ceil(error.retryAfterMs / 1000))
  }
  if (problem.status === 401) reply.header('www-authenticate', 'Bearer')
  return reply.code(problem.status).type('application/problem+json').send(JSON.stringify(problem))
}
