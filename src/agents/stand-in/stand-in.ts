/**
 * The model stand-in: speaks the OpenAI chat-completions protocol on loopback and answers by a script. It is no model, and says
 * so in every answer; it serves tests, and the demo where no model is configured.
 */
import { createHash } from 'node:crypto'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Clock, systemClock } from '../../platform/clock.ts'
import { messageOf } from '../../platform/errors.ts'
import type { Json } from '../../platform/json.ts'
import { type CallReport, type KeyCount, makeCallLog } from './calls.ts'
import { type ChatRequest, chatRequest, readConversation } from './conversation.ts'
import { type Answer, countUsage, type Envelope, makeAnswer, toChunks, toCompletion } from './reply.ts'
import { type Fault, findFault, findRule, parseScript, type StandInRule, type StandInScriptInput } from './script.ts'

export interface ModelStandInOptions {
  /** A free one if left out. */
  readonly port?: number
  readonly script: StandInScriptInput
  readonly clock?: Clock
}

export interface ModelStandIn {
  /** The base URL that model clients take: `http://127.0.0.1:PORT/v1`. */
  readonly url: string
  calls(): CallReport
  /**
   * Calls with this key: the header `Idempotency-Key`, or a hash of model and messages where none is sent. `answered` counts
   * those that were given a whole, good answer.
   */
  callsFor(key: string): KeyCount
  /** Forgets all calls; rules and faults count from the start again. */
  reset(): void
  stop(): Promise<void>
}

/** Resolves when it listens; rejects with `stand_in_script_invalid`, or when the port is taken. */
export const makeModelStandIn = async (options: ModelStandInOptions): Promise<ModelStandIn> => {
  const { clock = systemClock } = options
  const script = parseScript(options.script)
  const log = makeCallLog()
  const used = new Map<StandInRule, number>()

  const complete = async (incoming: http.IncomingMessage, response: http.ServerResponse): Promise<void> => {
    const request = parseRequest(await readText(incoming))
    if (typeof request === 'string') return sendError(response, 400, request)
    const conversation = readConversation(request)
    const rule = findRule(script.rules, conversation, used)
    const turnKey = incoming.headers['idempotency-key']
    const key = typeof turnKey === 'string' ? turnKey : hashOf(request)
    const stream = request.stream === true
    const ruleName = rule ? (rule.name ?? String(script.rules.indexOf(rule) + 1)) : 'none'
    const call = log.begin({ key, turn: conversation.turn, rule: ruleName, stream })
    if (!rule) return sendError(response, 400, 'the script of the stand-in has no rule for this conversation')
    const answeredBefore = used.get(rule) ?? 0
    used.set(rule, answeredBefore + 1)
    const fault = findFault(script, call.number, rule, answeredBefore)
    if (fault.slowMs) await pause(clock, fault.slowMs, response)
    if (fault.status !== undefined) return sendFault(response, fault)
    const answer = spoil(await makeAnswer(rule.reply, conversation), fault)
    const usage = countUsage(conversation, answer)
    const envelope = { id: `stand-in-${call.number}`, created: Math.floor(clock.now() / 1000), usage }
    const whole = stream
      ? await sendStream(response, answer, envelope, fault, request.stream_options?.include_usage === true)
      : await sendWhole(response, answer, envelope, fault)
    if (whole) log.finish(call)
  }

  const server = http.createServer((incoming, response) => {
    const path = new URL(incoming.url ?? '/', 'http://stand-in').pathname
    const key = new URL(incoming.url ?? '/', 'http://stand-in').searchParams.get('key')
    if (incoming.method === 'POST' && path === '/v1/chat/completions') {
      complete(incoming, response).catch((error) => {
        if (response.headersSent) response.destroy()
        else sendError(response, 500, `the script of the stand-in failed: ${messageOf(error)}`)
      })
    } else if (incoming.method === 'GET' && path === '/v1/models') sendJson(response, 200, MODELS)
    else if (incoming.method === 'GET' && path === '/stand-in/calls')
      sendJson(response, 200, key === null ? log.report() : log.countFor(key))
    else sendError(response, 404, `the stand-in has no ${incoming.method} ${path}`)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port ?? 0, '127.0.0.1', resolve)
  })

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    calls: log.report,
    callsFor: log.countFor,
    reset() {
      log.reset()
      used.clear()
    },
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

const MODELS = { object: 'list', data: [{ id: 'stand-in', object: 'model', created: 0, owned_by: 'stand-in' }] }

/** The request, or what is wrong with it. */
const parseRequest = (text: string): ChatRequest | string => {
  try {
    const parsed = chatRequest.safeParse(JSON.parse(text))
    if (parsed.success) return parsed.data
    return parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ')
  } catch {
    return 'the body is no JSON'
  }
}

const hashOf = ({ model, messages }: ChatRequest): string =>
  createHash('sha256')
    .update(JSON.stringify([model, messages]))
    .digest('hex')
    .slice(0, 16)

const pause = (clock: Clock, ms: number, response: http.ServerResponse): Promise<void> =>
  new Promise((resolve) => {
    const cancel = clock.after(ms, resolve)
    response.once('close', () => {
      cancel()
      resolve()
    })
  })

const spoil = (answer: Answer, fault: Fault): Answer =>
  fault.malformed === 'toolInput'
    ? {
        ...answer,
        toolCalls: answer.toolCalls.map((call) => ({ ...call, arguments: `${call.arguments.slice(0, -1)},` })),
      }
    : answer

const sendWhole = async (
  response: http.ServerResponse,
  answer: Answer,
  envelope: Envelope,
  fault: Fault,
): Promise<boolean> => {
  const text = JSON.stringify(toCompletion(answer, envelope))
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) })
  if (fault.breakAfterChunks !== undefined) {
    response.write(text.slice(0, text.length / 2), () => response.destroy())
    return false
  }
  response.end(fault.malformed === 'body' ? text.replace('{', '[') : text)
  return fault.malformed === undefined
}

const sendStream = async (
  response: http.ServerResponse,
  answer: Answer,
  envelope: Envelope,
  fault: Fault,
  includeUsage: boolean,
): Promise<boolean> => {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' })
  const send = (data: string): Promise<void> =>
    new Promise((resolve) => response.write(`data: ${data}\n\n`, () => resolve()))
  for (const [i, chunk] of toChunks(answer, envelope, includeUsage).entries()) {
    if (response.destroyed) return false
    if (i === fault.breakAfterChunks) {
      response.destroy()
      return false
    }
    const text = JSON.stringify(chunk)
    await send(fault.malformed === 'body' && i === 1 ? text.replace('{', '[') : text)
  }
  await send('[DONE]')
  response.end()
  return fault.malformed === undefined
}

const sendFault = (response: http.ServerResponse, { status = 500, retryAfterS }: Fault): void => {
  if (retryAfterS !== undefined) response.setHeader('retry-after', String(retryAfterS))
  sendError(response, status, `the stand-in was told to answer ${status}`)
}

const sendError = (response: http.ServerResponse, status: number, message: string): void =>
  sendJson(response, status, { error: { message, type: 'stand_in', param: null, code: null } })

const sendJson = (response: http.ServerResponse, status: number, value: Json | CallReport | KeyCount): void => {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
}

const readText = async (request: http.IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}
