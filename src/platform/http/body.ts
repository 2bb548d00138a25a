/**
 * Reads JSON bodies, and refuses what could not be kept: what is nested so deeply that our own code would run out of stack over it,
 * and NUL characters, which PostgreSQL has no place for in a text. An empty one is none where none is needed: many clients name
 * the type of a body that they do not send.
 */

import type { FastifyInstance } from 'fastify'
import type { ZodType } from 'zod'
import { defineErrors } from '../errors.ts'

const bodyErrors = defineErrors({
  json_too_deep: { status: 400 },
  nul_character: { status: 400 },
  json_malformed: { status: 400 },
  content_encoding_unsupported: { status: 415 },
})

const DEEPEST = 100

/** Whether a JSON text nests arrays and objects deeper than allowed. One pass over the text, without parsing it. */
export const isTooDeep = (text: string): boolean => {
  if (text.length <= 2 * DEEPEST) return false
  let depth = 0
  let inString = false
  for (let i = 0; i < text.length; i++) {
    const char = text.charCodeAt(i)
    if (inString) {
      if (char === 0x5c) i++
      else if (char === 0x22) inString = false
    } else if (char === 0x22) inString = true
    else if (char === 0x5b || char === 0x7b) {
      if (++depth > DEEPEST) return true
    } else if (char === 0x5d || char === 0x7d) depth--
  }
  return false
}

/** Whether a JSON text spells a NUL character: an escape for it whose backslash is not itself escaped. */
export const spellsNul = (text: string): boolean => text.includes('\\u0000') && /(?<!\\)(?:\\\\)*\\u0000/.test(text)

/** Refuses a NUL character in the path or the query. Throws `nul_character`. */
export const refuseNulInUrl = (url: string): void => {
  if (url.includes('%00')) throw bodyErrors.nul_character('the URL has a NUL character (%00), which no text may have')
}

/** Where and why a text is no JSON; undefined where it is. */
const malformed = (text: string): Error | undefined => {
  try {
    JSON.parse(text)
    return undefined
  } catch (cause) {
    return bodyErrors.json_malformed(`the body is not JSON: ${(cause as Error).message}`, { cause })
  }
}

const needsNoBody = (schema: unknown): boolean =>
  schema === undefined || (schema as ZodType).safeParse(undefined).success

export const addJsonParser = (
  server: Pick<FastifyInstance, 'getDefaultJsonParser' | 'removeContentTypeParser' | 'addContentTypeParser'>,
): void => {
  const parse = server.getDefaultJsonParser('error', 'error')
  server.removeContentTypeParser('application/json')
  server.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    const text = String(body)
    const encoding = request.headers['content-encoding'] ?? 'identity'
    if (text === '' && needsNoBody(request.routeOptions.schema?.body)) done(null, undefined)
    else if (encoding !== 'identity') {
      const what = `the body has the content encoding "${encoding}"; send it as it is`
      done(bodyErrors.content_encoding_unsupported(what), undefined)
    } else if (isTooDeep(text)) {
      done(bodyErrors.json_too_deep(`the body nests arrays and objects deeper than ${DEEPEST} levels`), undefined)
    } else if (spellsNul(text)) {
      done(bodyErrors.nul_character('the body has a NUL character (\\u0000), which no text may have'), undefined)
    } else parse(request, text, (error, value) => done(error && ((text && malformed(text)) || error), value))
  })
}
