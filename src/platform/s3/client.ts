/** Objects in a store that speaks the API of S3: reading, writing and listing, by path-style addresses and over the one way out. */
import { XMLParser } from 'fast-xml-parser'
import type { Clock } from '../clock.ts'
import { type AppError, defineErrors } from '../errors.ts'
import type { Outbound } from '../outbound/outbound.ts'
import type { OutboundRequest, OutboundStream } from '../outbound/types.ts'
import { encodeKey, encodeQuery, type SigningKeys, signRequest } from './sign.ts'

const s3Errors = defineErrors({
  s3_not_found: { status: 404 },
  /** The object is no longer the one that was meant. */
  s3_changed: { status: 412 },
  s3_failed: { status: 502, retryable: true },
})

export interface S3Object {
  readonly key: string
  readonly etag: string
  readonly sizeBytes: number
  readonly modifiedMs: number
  readonly storageClass: string
}

export interface S3Client {
  /** The object's bytes as they come, of its newest version or that one. With an `etag` only that very object: otherwise `s3_changed`. */
  get(
    bucket: string,
    key: string,
    options?: { etag?: string; version?: string; signal?: AbortSignal },
  ): Promise<{ etag: string } & Pick<OutboundStream, 'body'>>
  put(bucket: string, key: string, body: string, options?: { signal?: AbortSignal }): Promise<void>
  /** The objects whose keys begin with the prefix, in the order of the keys, a page at a time. */
  list(bucket: string, prefix: string, options?: { after?: string; signal?: AbortSignal }): Promise<S3Page>
}

export interface S3Page {
  readonly objects: readonly S3Object[]
  /** To be handed in for the next page; undefined after the last one. */
  readonly next: string | undefined
}

export interface S3Options extends SigningKeys {
  /** `https://s3.eu-west-1.amazonaws.com`, or where else the store is. */
  readonly endpoint: string
  readonly outbound: Outbound
  readonly clock: Clock
}

/** Keys may have a kilobyte: with so many of them a page stays below the limit of a step's result. */
const OBJECTS_PER_PAGE = 200

/** Connects to nothing by itself. */
export const makeS3Client = ({ endpoint, outbound, clock, ...keys }: S3Options): S3Client => {
  const base = new URL(endpoint)
  const root = base.pathname.replace(/\/$/, '')

  const call = async (
    method: string,
    path: string,
    query: string,
    more: OutboundRequest = {},
  ): Promise<OutboundStream> => {
    const url = new URL(`${root}/${path}${query === '' ? '' : `?${query}`}`, base)
    const body = more.body ?? ''
    const headers = signRequest({ method, url, headers: more.headers ?? {}, body }, keys, clock.now())
    const answer = await outbound.stream(url, { ...more, method, headers })
    if (answer.status >= 200 && answer.status < 300) return answer
    throw await failure(`${method} ${path}`, answer)
  }

  return {
    async get(bucket, key, { etag, version, signal } = {}) {
      const query = version === undefined ? '' : encodeQuery({ versionId: version })
      const { body, headers } = await call('GET', `${encodeKey(bucket)}/${encodeKey(key)}`, query, {
        // An answer that is encoded on the way would have other bytes than the object.
        headers: { 'accept-encoding': 'identity', ...(etag === undefined ? {} : { 'if-match': etag }) },
        ...(signal ? { signal } : {}),
      })
      return { etag: headers.etag ?? '', body }
    },
    async put(bucket, key, body, { signal } = {}) {
      const headers = { 'content-type': 'application/json' }
      const answer = await call('PUT', `${encodeKey(bucket)}/${encodeKey(key)}`, '', {
        headers,
        body,
        ...(signal ? { signal } : {}),
      })
      await answer.body.return()
    },
    async list(bucket, prefix, { after, signal } = {}) {
      const query = encodeQuery({
        ...{ 'list-type': '2', 'max-keys': String(OBJECTS_PER_PAGE), prefix },
        ...(after === undefined ? {} : { 'continuation-token': after }),
      })
      const { body } = await call('GET', encodeKey(bucket), query, signal ? { signal } : {})
      return readListing(Buffer.concat(await Array.fromAsync(body)).toString('utf8'))
    },
  }
}

const failure = async (what: string, { status, body }: OutboundStream): Promise<AppError> => {
  const text = Buffer.concat(await Array.fromAsync(body)).toString('utf8')
  const code = /<Code>([^<]*)<\/Code>/.exec(text)?.[1]
  const message = `${what} was answered by ${status}${code === undefined ? '' : ` ${code}`}`
  if (status === 404) return s3Errors.s3_not_found(message)
  return status === 412 ? s3Errors.s3_changed(message) : s3Errors.s3_failed(message)
}

const parser = (): XMLParser =>
  new XMLParser({ parseTagValue: false, processEntities: true, isArray: (name) => name === 'Contents' })

interface Listing {
  readonly ListBucketResult?: {
    readonly Contents?: readonly Readonly<Record<string, string>>[]
    readonly IsTruncated?: string
    readonly NextContinuationToken?: string
  }
}

const readListing = (xml: string): S3Page => {
  const { ListBucketResult: result } = parser().parse(xml) as Listing
  if (result === undefined) throw s3Errors.s3_failed('the store answered a listing by something else')
  const objects = (result.Contents ?? []).map(({ Key = '', ETag = '', Size, LastModified = '', StorageClass }) => ({
    key: Key,
    etag: ETag,
    sizeBytes: Number(Size),
    modifiedMs: Date.parse(LastModified),
    storageClass: StorageClass ?? 'STANDARD',
  }))
  return { objects, next: result.IsTruncated === 'true' ? result.NextContinuationToken : undefined }
}
