/** Dresses outbound calls as `fetch`, for libraries that take one. */
import { FORBIDDEN_HEADERS, WITHOUT_BODY } from './headers.ts'
import type { Outbound } from './types.ts'

export const makeAsFetch =
  (stream: Outbound['stream']): typeof fetch =>
  async (input, init) => {
    const request = new Request(input as Request, { ...init, ...(init?.body && { duplex: 'half' }) } as RequestInit)
    const headers: Record<string, string> = {}
    // As `fetch` does: what a caller may not set is left out without a word.
    for (const [name, value] of request.headers) if (!FORBIDDEN_HEADERS.has(name)) headers[name] = value
    const body = request.body ? new Uint8Array(await request.arrayBuffer()) : undefined
    const { signal, method, url } = request
    const answer = await stream(url, { method, headers, signal, ...(body && { body }) })
    const hasBody = !WITHOUT_BODY.has(answer.status)
    if (!hasBody) await answer.body.return()
    const responseHeaders = { ...answer.headers }
    // The body comes decoded.
    delete responseHeaders['content-encoding']
    delete responseHeaders['content-length']
    const response = new Response(hasBody ? ReadableStream.from(answer.body) : null, {
      status: answer.status,
      headers: responseHeaders,
    })
    return Object.defineProperty(response, 'url', { value: url })
  }
