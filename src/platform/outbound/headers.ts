/** Headers of outbound calls and of their answers. */
import { outboundErrors } from './errors.ts'

/** These belong to the connection or decide who answers on it; a caller that sets them could slip past the guard. */
export const FORBIDDEN_HEADERS: ReadonlySet<string> = new Set([
  'host',
  'connection',
  'content-length',
  'expect',
  'http2-settings',
  'keep-alive',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** The headers with their names in lower case; throws `outbound_invalid` at one that a caller may not set. */
export const checkHeaders = (headers: Readonly<Record<string, string>> = {}): Record<string, string> => {
  const checked: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers)) {
    const lower = name.toLowerCase()
    if (FORBIDDEN_HEADERS.has(lower)) throw outboundErrors.outbound_invalid(`the header ${name} cannot be set`)
    checked[lower] = value
  }
  return checked
}

export const flattenHeaders = (
  headers: Readonly<Record<string, string | string[] | undefined>>,
): Record<string, string> => {
  const flat: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers))
    if (value !== undefined) flat[name] = Array.isArray(value) ? value.join(', ') : value
  return flat
}

/** Statuses whose answers have no body. */
export const WITHOUT_BODY: ReadonlySet<number> = new Set([204, 205, 304])
