/** What outbound calls take and give. */
import type { Json } from '../json.ts'

export interface OutboundRequest {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array
  readonly timeoutMs?: number
  readonly maxResponseBytes?: number
  readonly signal?: AbortSignal
}

interface Answer {
  readonly status: number
  /** Names in lower case; a header that came several times has its values joined by `, `. */
  readonly headers: Readonly<Record<string, string>>
}

export interface OutboundResponse extends Answer {
  readonly body: Uint8Array
  text(): string
  /** Throws a `SyntaxError` when the body is no JSON. */
  json(): Json
}

export type OutboundBody = AsyncIterableIterator<Uint8Array> & { return(): Promise<IteratorResult<Uint8Array>> }

export interface OutboundStream extends Answer {
  /** Must be read or left (`break`, `return()`): until then the connection is held. Rejects like `fetch`. */
  readonly body: OutboundBody
}

export interface Outbound {
  /**
   * Any status is an answer, redirects among them: none is followed, since its target would be called in the tenant's name
   * without having been asked for. Rejects with `outboundErrors`, or with the signal's reason.
   */
  fetch(url: string | URL, request?: OutboundRequest): Promise<OutboundResponse>
  /** The same, for an answer that is read while it comes. The time-out is for the whole of it. */
  stream(url: string | URL, request?: OutboundRequest): Promise<OutboundStream>
  /** The same in the form of `fetch`, for libraries that take one. */
  asFetch(limits?: Pick<OutboundRequest, 'timeoutMs' | 'maxResponseBytes'>): typeof fetch
  /** Ends all connections; calls under way are rejected with `outbound_stopped`. */
  stop(): Promise<void>
}
