/**
 * Conditional requests (RFC 9110, 13): an answer with one thing carries a tag of its state; a change with `If-Match` happens only while
 * the thing is still in the state that the caller has seen, one with `If-None-Match: *` only while there is none, and a read with
 * `If-None-Match` is answered 304 while nothing is new.
 */
import { createHash } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { defineErrors } from '../errors.ts'

const tagErrors = defineErrors({ precondition_failed: { status: 412 } })

/** `fields` are all that a change could alter, none of what is not there; `figures` what moves by itself and stands in no one's way when it does. */
export interface State {
  readonly fields: readonly unknown[]
  readonly figures?: readonly unknown[]
}

const hash = (values: readonly unknown[]): string =>
  createHash('sha256').update(JSON.stringify(values)).digest('base64url').slice(0, 22)

/** A strong tag: `"STATE"`, or `"STATE.FIGURES"`. */
const tagOf = ({ fields, figures }: State): string =>
  `"${hash(fields)}${figures === undefined ? '' : `.${hash(figures)}`}"`

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Its answers have a tag, or it heeds `If-Match`: the documentation tells so, and a route that does not name this may do neither. */
    conditional?: boolean
  }
}

const checkDeclared = ({ routeOptions }: FastifyRequest): void => {
  if (routeOptions.config.conditional) return
  throw new Error(`the route ${String(routeOptions.method)} ${routeOptions.url} does not say that it is conditional`)
}

const listOf = (header: string): string[] => header.match(/(?:W\/)?"[^"]*"|\*/g) ?? []
const isStrong = (tag: string): boolean => !tag.startsWith('W/')
const toStrong = (tag: string): string => tag.replace(/^W\//, '')
/** Of a tag, the part that a change is checked against. */
const stateOf = (tag: string): string => tag.slice(1, -1).split('.')[0] ?? ''

const LONGEST_SHOWN = 200

/**
 * For a service to call with the thing as it is held for the change; throws `precondition_failed`. Undefined without `If-Match` and
 * `If-None-Match`. In the one weak tags never match (RFC 9110, 13.1.1); the other says what must not be there, with `*`: anything.
 */
export const ifMatch = <T>(
  request: FastifyRequest,
  state: (current: T) => State,
): ((current: T) => void) | undefined => {
  checkDeclared(request)
  const { 'if-match': wanted, 'if-none-match': unwanted } = request.headers
  if (wanted === undefined && unwanted === undefined) return undefined
  return (current) => {
    const { fields } = state(current)
    const isThere = fields.length > 0
    const isAmong = (header: string, tags: readonly string[]): boolean =>
      isThere && (header.trim() === '*' || tags.map(stateOf).includes(hash(fields)))
    if (wanted !== undefined && !isAmong(wanted, listOf(wanted).filter(isStrong))) {
      const changed = 'it was changed since you read it; read it again and repeat the change'
      const details = { ifMatch: wanted.slice(0, LONGEST_SHOWN) }
      throw tagErrors.precondition_failed(isThere ? changed : 'it is not there', { details })
    }
    if (unwanted !== undefined && isAmong(unwanted, listOf(unwanted).map(toStrong))) {
      const details = { ifNoneMatch: unwanted.slice(0, LONGEST_SHOWN) }
      throw tagErrors.precondition_failed('it is there already', { details })
    }
  }
}

/** Sets the tag of what is answered. True when the caller has it already: the answer is 304 then, without a body. */
const isUnchanged = (request: FastifyRequest, reply: FastifyReply, state: State): boolean => {
  checkDeclared(request)
  const tag = tagOf(state)
  reply.header('etag', tag).header('cache-control', 'private, no-cache')
  const header = request.method === 'GET' || request.method === 'HEAD' ? request.headers['if-none-match'] : undefined
  if (header === undefined) return false
  const isKnown = listOf(header).some((given) => given === '*' || toStrong(given) === tag)
  if (isKnown) reply.code(304)
  return isKnown
}

/** Answers with the view, or with 304. */
export const sendTagged = <T>(request: FastifyRequest, reply: FastifyReply, state: State, view: T): T | undefined => {
  if (!isUnchanged(request, reply, state)) return view
  reply.send()
  return undefined
}
