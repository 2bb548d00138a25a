/** Signs requests by AWS Signature Version 4, as S3 and the stores that speak its API want them (docs.aws.amazon.com, "sigv4"). */
import { createHash, createHmac } from 'node:crypto'

export interface SigningKeys {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly region: string
  /** `s3`, but for tests. */
  readonly service?: string
}

export interface SignableRequest {
  readonly method: string
  /** Its path and query are signed as they stand: they must be encoded by `encodeKey` and `encodeQuery`. */
  readonly url: URL
  /** `host` and the date are added. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Uint8Array
}

/** RFC 3986: everything but letters, digits and `-._~`. */
const encode = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (ch) => `%${ch.charCodeAt(0).toString(16).toUpperCase()}`)

/** An object's key as part of a path: its slashes stay. */
export const encodeKey = (key: string): string => key.split('/').map(encode).join('/')

/** Sorted by name and encoded, which is the form that is signed. */
export const encodeQuery = (parameters: Readonly<Record<string, string>>): string =>
  Object.entries(parameters)
    .map(([name, value]) => [encode(name), encode(value)] as const)
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    .map(([name, value]) => `${name}=${value}`)
    .join('&')

/** The headers to send, the signature among them. */
export const signRequest = (
  { method, url, headers, body }: SignableRequest,
  { accessKeyId, secretAccessKey, region, service = 's3' }: SigningKeys,
  nowMs: number,
): Record<string, string> => {
  const time = new Date(nowMs).toISOString().replace(/[-:]|\.\d{3}/g, '')
  const day = time.slice(0, 8)
  const bodyHash = sha256(body)
  const own: Record<string, string> = { ...headers, 'x-amz-date': time }
  // Only S3 wants the hash of the body as a header too.
  if (service === 's3') own['x-amz-content-sha256'] = bodyHash
  const signed = Object.entries({ ...own, host: url.host })
    .map(([name, value]) => [name.toLowerCase(), value.trim().replace(/\s+/g, ' ')] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1))
  const names = signed.map(([name]) => name).join(';')
  const canonical = [
    ...[method, url.pathname, url.search.slice(1)],
    ...[signed.map(([name, value]) => `${name}:${value}\n`).join(''), names, bodyHash],
  ].join('\n')
  const scope = `${day}/${region}/${service}/aws4_request`
  const toSign = ['AWS4-HMAC-SHA256', time, scope, sha256(canonical)].join('\n')
  const key = [day, region, service, 'aws4_request'].reduce<string | Buffer>(hmac, `AWS4${secretAccessKey}`)
  const signature = createHmac('sha256', key).update(toSign).digest('hex')
  const authorization = `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${scope}, SignedHeaders=${names}, Signature=${signature}`
  return { ...own, authorization }
}

const sha256 = (data: string | Uint8Array): string => createHash('sha256').update(data).digest('hex')

const hmac = (key: string | Buffer, data: string): Buffer => createHmac('sha256', key).update(data).digest()
