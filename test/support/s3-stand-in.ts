/** A stand-in for an object store: a real HTTP server that speaks the API of S3 as far as `src/platform/s3` does, and checks signatures. */
import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import { type SigningKeys, signRequest } from '../../src/platform/s3/sign.ts'

export interface S3StandIn extends SigningKeys {
  readonly endpoint: string
  readonly host: string
  /** By `bucket/key`. */
  readonly objects: Map<string, string>
  /** `METHOD /path`, in the order they came. */
  readonly calls: string[]
  /** Answers the next calls with this status. */
  failNext(status: number, times?: number): void
}

const readBody = async (request: IncomingMessage): Promise<string> =>
  Buffer.concat((await Array.fromAsync(request)) as Buffer[]).toString('utf8')

const etagOf = (text: string): string => `"${createHash('md5').update(text).digest('hex')}"`

const escapeXml = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')

/** Listens on a free port of loopback until the test has ended. */
export const startS3StandIn = async (t: TestContext, pageSize = 2): Promise<S3StandIn> => {
  const keys = { accessKeyId: 'stand-in', secretAccessKey: 'its secret', region: 'eu-west-1' }
  const objects = new Map<string, string>()
  const calls: string[] = []
  let failing = { status: 0, times: 0 }

  /** Signs what came again, with the keys that it should have been signed with. */
  const isSigned = (request: IncomingMessage, url: URL, body: string): boolean => {
    const { authorization = '', 'x-amz-date': date = '' } = request.headers
    const names = /SignedHeaders=([^,]+)/.exec(authorization)?.[1]?.split(';') ?? []
    const own = names.filter((name) => !['host', 'x-amz-date', 'x-amz-content-sha256'].includes(name))
    const headers = Object.fromEntries(own.map((name) => [name, String(request.headers[name])]))
    const time = String(date).replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z')
    const method = request.method ?? ''
    return signRequest({ method, url, headers, body }, keys, Date.parse(time)).authorization === authorization
  }

  const answerTo = (method: string, url: URL, ifMatch: string | undefined, body: string): [number, string, string?] => {
    const at = decodeURIComponent(url.pathname.slice(1))
    if (method === 'PUT') {
      objects.set(at, body)
      return [200, '']
    }
    if (url.searchParams.get('list-type') === '2') return [200, listing(at, url.searchParams)]
    const version = url.searchParams.get('versionId')
    const found = objects.get(version === null ? at : `${at}?versionId=${version}`)
    if (found === undefined) return [404, '<Error><Code>NoSuchKey</Code></Error>']
    if (ifMatch !== undefined && ifMatch !== etagOf(found))
      return [412, '<Error><Code>PreconditionFailed</Code></Error>']
    return [200, found, etagOf(found)]
  }

  const listing = (bucket: string, query: URLSearchParams): string => {
    const prefix = `${bucket}/${query.get('prefix') ?? ''}`
    const all = [...objects.keys()].filter((key) => key.startsWith(prefix)).sort()
    const from = Number(query.get('continuation-token') ?? 0)
    const page = all.slice(from, from + pageSize)
    const isTruncated = from + pageSize < all.length
    const contents = page.map((key) => {
      const text = objects.get(key) as string
      const name = escapeXml(key.slice(bucket.length + 1))
      const about = `<LastModified>2026-01-02T03:04:05.000Z</LastModified><ETag>${escapeXml(etagOf(text))}</ETag>`
      return `<Contents><Key>${name}</Key>${about}<Size>${Buffer.byteLength(text)}</Size></Contents>`
    })
    const next = isTruncated ? `<NextContinuationToken>${from + pageSize}</NextContinuationToken>` : ''
    return `<?xml version="1.0"?><ListBucketResult><IsTruncated>${isTruncated}</IsTruncated>${next}${contents.join('')}</ListBucketResult>`
  }

  const server = createServer(async (request, response) => {
    const body = await readBody(request)
    const url = new URL(request.url ?? '/', `http://${request.headers.host}`)
    calls.push(`${request.method} ${decodeURIComponent(url.pathname)}`)
    const answer: [number, string, string?] =
      failing.times-- > 0
        ? [failing.status, '<Error><Code>SlowDown</Code></Error>']
        : isSigned(request, url, body)
          ? answerTo(request.method ?? '', url, request.headers['if-match'], body)
          : [403, '<Error><Code>SignatureDoesNotMatch</Code></Error>']
    const [status, text, etag] = answer
    response.writeHead(status, etag === undefined ? {} : { etag }).end(text)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => new Promise((resolve) => server.close(resolve).closeAllConnections()))
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    ...keys,
    ...{ endpoint: `http://${host}`, host, objects, calls },
    failNext(status, times = 1) {
      failing = { status, times }
    },
  }
}
