/** Sends the same request over and over on many keep-alive connections, with as little code between as can be: bare sockets. */
import { connect } from 'node:net'
import { serve } from '../support/serve.ts'
import { percentile } from '../support/stats.ts'

export interface HttpLoadInput {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: unknown
  readonly connections: number
  readonly seconds: number
}

export interface HttpLoadResult {
  /** Answers with a status below 300, a second. */
  readonly rate: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** Answers with another status. */
  readonly refused: number
}

const requestText = ({ url, headers, body }: HttpLoadInput): string => {
  const { host, pathname } = new URL(url)
  const text = JSON.stringify(body)
  const lines = Object.entries({ host, 'content-type': 'application/json', ...headers }).map(([k, v]) => `${k}: ${v}`)
  return `POST ${pathname} HTTP/1.1\r\n${lines.join('\r\n')}\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`
}

/** Length of the first whole answer in the buffer; undefined while it is not whole. */
const answerLength = (buffer: Buffer): number | undefined => {
  const end = buffer.indexOf('\r\n\r\n')
  if (end < 0) return undefined
  const length = /content-length: *(\d+)/i.exec(buffer.toString('latin1', 0, end))?.[1]
  if (length === undefined) throw new Error('an answer without a content-length')
  const total = end + 4 + Number(length)
  return buffer.length < total ? undefined : total
}

const load = async (input: HttpLoadInput): Promise<HttpLoadResult> => {
  const { hostname, port } = new URL(input.url)
  const request = requestText(input)
  const times: number[] = []
  let refused = 0
  const startMs = performance.now()
  const untilMs = startMs + input.seconds * 1000

  const converse = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const socket = connect({ host: hostname, port: Number(port), noDelay: true })
      let buffer: Buffer = Buffer.alloc(0)
      let sentMs = 0
      const send = (): void => {
        sentMs = performance.now()
        if (sentMs < untilMs) socket.write(request)
        else socket.end(() => resolve())
      }
      socket.once('connect', send)
      socket.once('error', reject)
      socket.on('data', (chunk) => {
        buffer = buffer.length === 0 ? chunk : Buffer.concat([buffer, chunk])
        const length = answerLength(buffer)
        if (length === undefined) return
        times.push(performance.now() - sentMs)
        if (buffer[9] !== 0x32) refused++ // "HTTP/1.1 2…"
        buffer = buffer.subarray(length)
        send()
      })
    })

  await Promise.all(Array.from({ length: input.connections }, converse))
  const seconds = (performance.now() - startMs) / 1000
  return {
    rate: (times.length - refused) / seconds,
    p50Ms: percentile(times, 0.5),
    p99Ms: percentile(times, 0.99),
    refused,
  }
}

serve({ load })
