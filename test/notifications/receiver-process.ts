/**
 * A receiver as its author would write it, with the reference library of Standard Webhooks: a program of its own, told over
 * `PUT /script/PATH` what to answer to the calls of a path and which secret they are signed with. `GET /calls/PATH` tells what came.
 */
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { Webhook } from 'standardwebhooks'

export interface Script {
  readonly secret: string
  /** One after the other, the last one again and again; `hang` never answers. */
  readonly replies: readonly (Reply | 'hang')[]
}

export interface Reply {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
}

export interface ReceivedCall {
  readonly id: string
  readonly type: string
  /** Of its data. */
  readonly message: string | undefined
  readonly atMs: number
  readonly isVerified: boolean
}

interface Path {
  script: Script
  readonly calls: ReceivedCall[]
  open: number
  mostOpen: number
}

const paths = new Map<string, Path>()

const read = async (request: http.IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

const isSigned = (secret: string, body: string, headers: http.IncomingHttpHeaders): boolean => {
  try {
    new Webhook(secret).verify(body, headers as Record<string, string>)
    return true
  } catch {
    return false
  }
}

const receive = async (path: Path, request: http.IncomingMessage, response: http.ServerResponse): Promise<void> => {
  const atMs = Date.now()
  path.open++
  path.mostOpen = Math.max(path.mostOpen, path.open)
  response.on('close', () => path.open--)
  const body = await read(request)
  const { secret, replies } = path.script
  const reply = replies[Math.min(path.calls.length, replies.length - 1)]
  const isVerified = isSigned(secret, body, request.headers)
  const { type, data } = JSON.parse(body) as { type: string; data?: { message?: string } }
  path.calls.push({ id: String(request.headers['webhook-id']), type, message: data?.message, atMs, isVerified })
  if (!isVerified) response.writeHead(401).end()
  else if (reply !== 'hang') response.writeHead(reply?.status ?? 200, reply?.headers).end()
}

const server = http.createServer(async (request, response) => {
  const [, verb, name = ''] = /^\/(\w+)\/(.*)$/.exec(request.url ?? '') ?? []
  const path = paths.get(name)
  if (verb === 'script') {
    const script = JSON.parse(await read(request)) as Script
    if (path) path.script = script
    else paths.set(name, { script, calls: [], open: 0, mostOpen: 0 })
    response.end()
  } else if (!path) response.writeHead(404).end()
  else if (verb === 'calls') response.end(JSON.stringify({ calls: path.calls, mostOpen: path.mostOpen }))
  else await receive(path, request, response)
})

server.listen(Number(process.argv[2] ?? 0), '127.0.0.1', () => {
  process.stdout.write(`port ${(server.address() as AddressInfo).port}\n`)
})
