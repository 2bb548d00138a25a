import assert from 'node:assert/strict'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import test, { after, afterEach, describe } from 'node:test'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { AppError } from '../../platform/errors.ts'
import type { Json, JsonSchema } from '../../platform/json.ts'
import { makeOutbound } from '../../platform/outbound/outbound.ts'
import type { StandInScriptInput } from '../stand-in/script.ts'
import { type ModelStandIn, makeModelStandIn } from '../stand-in/stand-in.ts'
import { makeModelClient } from './client.ts'
import type { Message, ModelRequest, ModelTurn } from './types.ts'

const outbound = makeOutbound({ allow: ['127.0.0.1'], timeoutMs: 30_000, maxResponseBytes: 1_000_000 })
const compileSchema = (schema: JsonSchema) => {
  const validate = new Ajv2020().compile(schema)
  return (value: Json) =>
    validate(value) ? [] : validate.errors!.map((e) => ({ path: e.instancePath, message: e.message ?? '' }))
}
const client = makeModelClient({ fetch: outbound.asFetch(), compileSchema })
after(() => outbound.stop())

let standIn: ModelStandIn | undefined
afterEach(async () => {
  await standIn?.stop()
  standIn = undefined
})

const start = async (script: StandInScriptInput): Promise<void> => {
  standIn = await makeModelStandIn({ script })
}
const request = (more: Partial<ModelRequest> = {}): ModelRequest => ({
  baseUrl: standIn?.url ?? '',
  model: 'stand-in',
  messages: [{ role: 'user', text: 'hello' }],
  tools: [],
  signal: new AbortController().signal,
  ...more,
})
const turn = (more: Partial<ModelRequest> = {}): Promise<ModelTurn> => client.turn(request(more))
const failure = async (more: Partial<ModelRequest> = {}): Promise<AppError> => {
  const error = await turn(more).then(
    (value) => assert.fail(`should fail, gave ${JSON.stringify(value)}`),
    (e: unknown) => e,
  )
  assert.ok(error instanceof AppError, String(error))
  return error
}

/** A service that answers so. */
const withService = async <T>(answer: http.RequestListener, use: (baseUrl: string) => Promise<T>): Promise<T> => {
  const server = http.createServer(answer)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    return await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`)
  } finally {
    server.closeAllConnections()
    server.close()
  }
}
const answerWith =
  (text: string, contentType: string, status = 200): http.RequestListener =>
  (_, response) => {
    response.writeHead(status, { 'content-type': contentType })
    response.end(text)
  }
const failureOfStream = (text: string): Promise<AppError> =>
  withService(answerWith(text, 'text/event-stream'), (baseUrl) => failure({ baseUrl, onDelta() {} }))

const weather = {
  name: 'weather',
  description: 'Tells the weather.',
  inputSchema: { type: 'object', required: ['city'], properties: { city: { type: 'string' } } },
}

/** Each test of an answer runs without and with streaming: the turn must be the same. */
const bothWays = (name: string, run: (more: Partial<ModelRequest>) => Promise<void>): void => {
  test(`${name}`, () => run({}))
  test(`${name}, streaming`, () => run({ onDelta() {} }))
}

describe('a model turn', () => {
  bothWays('gives text, the reason of its end and usage', async (more) => {
    await start({ rules: [{ reply: { text: 'a text of several pieces' } }] })
    const { usage, ...rest } = await turn(more)
    assert.deepEqual(rest, { text: 'a text of several pieces', toolCalls: [], finishReason: 'stop' })
    assert.ok(usage.inputTokens > 0 && usage.totalTokens === usage.inputTokens + 6, JSON.stringify(usage))
    assert.deepEqual([usage.outputTokens, usage.estimated, standIn?.calls().total], [6, undefined, 1])
  })

  bothWays('gives tool calls without making them', async (more) => {
    await start({
      rules: [
        {
          reply: {
            text: 'let me see',
            toolCalls: [
              { name: 'weather', input: { city: 'Bonn' } },
              { name: 'weather', input: { city: 'Ulm' } },
            ],
          },
        },
      ],
    })
    const got = await turn({ ...more, tools: [weather] })
    assert.deepEqual([got.text, got.finishReason], ['let me see', 'tool-calls'])
    assert.deepEqual(got.toolCalls, [
      { id: 'call_1_1', name: 'weather', input: { city: 'Bonn' } },
      { id: 'call_1_2', name: 'weather', input: { city: 'Ulm' } },
    ])
    assert.equal(standIn?.calls().total, 1)
  })

  bothWays('carries a whole conversation to the model', async (more) => {
    await start({
      rules: [
        {
          reply: {
            output:
              '{% { "system": system, "results": results, "roles": messages.role, "contents": messages.content, "tools": tools, "turn": turn } %}',
          },
        },
      ],
    })
    const messages: Message[] = [
      { role: 'user', text: 'q' },
      {
        role: 'assistant',
        text: '',
        toolCalls: [
          { id: 'a', name: 'weather', input: { city: 'Bonn' } },
          { id: 'b', name: 'weather', input: '{"ci', invalid: 'broken' },
        ],
      },
      {
        role: 'tool',
        results: [
          { id: 'a', name: 'weather', output: { sky: 'grey' } },
          { id: 'b', name: 'weather', output: 'the input is not valid JSON', isError: true },
        ],
      },
      { role: 'system', text: 'hurry' },
      { role: 'user', text: 'and?' },
    ]
    const { text } = await turn({ ...more, system: 'Be kind.', messages, tools: [weather] })
    const seen = JSON.parse(text) as { [key: string]: Json }
    assert.deepEqual(seen.roles, ['system', 'user', 'assistant', 'tool', 'tool', 'system', 'user'])
    assert.deepEqual([seen.system, seen.turn], ['Be kind.\nhurry', 2])
    assert.deepEqual(seen.results, [
      { name: 'weather', input: { city: 'Bonn' }, value: { sky: 'grey' } },
      { name: 'weather', input: '{"ci', value: 'the input is not valid JSON' },
    ])
    assert.deepEqual([seen.tools].flat(), ['weather'])
  })

  test('tells each piece of text as it comes', async () => {
    await start({ rules: [{ reply: { text: 'a text of several pieces' } }] })
    const pieces: string[] = []
    const got = await turn({ onDelta: (piece) => pieces.push(piece) })
    assert.ok(pieces.length > 1)
    assert.equal(pieces.join(''), got.text)
  })

  test('sends its key, its idempotency key and its settings', async () => {
    let seen: { headers: http.IncomingHttpHeaders; body: Record<string, Json> } | undefined
    const listener: http.RequestListener = async (incoming, response) => {
      const chunks = await Array.fromAsync(incoming as AsyncIterable<Buffer>)
      seen = { headers: incoming.headers, body: JSON.parse(Buffer.concat(chunks).toString()) as Record<string, Json> }
      response.setHeader('content-type', 'application/json')
      response.end(
        JSON.stringify({ choices: [{ message: { role: 'assistant', content: 'hi' }, finish_reason: 'stop' }] }),
      )
    }
    const settings = { apiKey: 'secret', idempotencyKey: 'turn-7', temperature: 0, maxOutputTokens: 50, model: 'm' }
    const got = await withService(listener, (baseUrl) => turn({ baseUrl, ...settings }))
    assert.deepEqual([seen?.headers.authorization, seen?.headers['idempotency-key']], ['Bearer secret', 'turn-7'])
    assert.deepEqual(
      [seen?.body.model, seen?.body.temperature, seen?.body.max_tokens, seen?.body.tools],
      ['m', 0, 50, undefined],
    )
    assert.equal(got.usage.estimated, true)
    assert.ok(got.usage.inputTokens > 0 && got.usage.outputTokens > 0)
  })

  test('a turn tells of the input that the service had at hand', async () => {
    const told = {
      ...{ prompt_tokens: 90, completion_tokens: 10, total_tokens: 100 },
      prompt_tokens_details: { cached_tokens: 64 },
    }
    const choices = [{ message: { role: 'assistant', content: 'hi' }, finish_reason: 'stop' }]
    const answer = answerWith(JSON.stringify({ choices, usage: told }), 'application/json')
    const { usage } = await withService(answer, (baseUrl) => turn({ baseUrl }))
    assert.deepEqual(usage, { inputTokens: 90, outputTokens: 10, totalTokens: 100, cachedInputTokens: 64 })
  })

  bothWays('is counted by the stand-in under its idempotency key', async (more) => {
    await start({ rules: [{ reply: { text: 'x' } }] })
    await turn({ ...more, idempotencyKey: 'k' })
    assert.deepEqual(standIn?.callsFor('k'), { calls: 1, answered: 1 })
  })
})

describe('a model turn with a schema', () => {
  const schema = {
    type: 'object',
    required: ['n'],
    additionalProperties: false,
    properties: { n: { type: 'integer' } },
  }
  const output = { name: 'count', schema }

  bothWays('gives the answer as JSON', async (more) => {
    await start({ rules: [{ when: { output: true }, reply: { output: { n: 3 } } }] })
    assert.deepEqual((await turn({ ...more, output })).output, { n: 3 })
  })

  bothWays('takes JSON out of a fence', async (more) => {
    await start({ rules: [{ reply: { text: '```json\n{"n": 4}\n```' } }] })
    assert.deepEqual((await turn({ ...more, output })).output, { n: 4 })
  })

  bothWays('says what is wrong with an answer that does not fit, and keeps the turn', async (more) => {
    await start({
      rules: [
        { times: 1, reply: { output: { n: 'three' } } },
        { times: 1, reply: { text: 'three' } },
        { reply: { text: '{"n": ', finishReason: 'length' } },
      ],
    })
    const wrong = await turn({ ...more, output })
    assert.match(wrong.outputInvalid ?? '', /\/n must be integer/)
    assert.ok(wrong.output === undefined && wrong.usage.totalTokens > 0)
    assert.match((await turn({ ...more, output })).outputInvalid ?? '', /no JSON/)
    assert.match((await turn({ ...more, output })).outputInvalid ?? '', /cut at the limit/)
  })

  bothWays('may call tools first', async (more) => {
    await start({ rules: [{ reply: { toolCalls: [{ name: 'weather', input: { city: 'Bonn' } }] } }] })
    const got = await turn({ ...more, output, tools: [weather] })
    assert.deepEqual([got.toolCalls.length, got.output, got.outputInvalid], [1, undefined, undefined])
  })
})

describe('a model turn with tool calls that cannot be made', () => {
  bothWays('marks input that is no JSON, and keeps the turn', async (more) => {
    await start({
      rules: [
        { reply: { toolCalls: [{ name: 'weather', input: { city: 'Bonn' } }] }, fault: { malformed: 'toolInput' } },
      ],
    })
    const got = await turn({ ...more, tools: [weather] })
    assert.deepEqual(got.toolCalls, [
      { id: 'call_1_1', name: 'weather', input: '{"city":"Bonn",', invalid: 'the input is not valid JSON' },
    ])
    assert.ok(got.usage.totalTokens > 0)
  })

  bothWays('marks a tool that was not offered', async (more) => {
    await start({ rules: [{ reply: { toolCalls: [{ name: 'launch', input: {} }] } }] })
    for (const tools of [[weather], []])
      assert.match((await turn({ ...more, tools })).toolCalls[0]?.invalid ?? '', /no tool named "launch"/)
  })
})

describe('a model turn that fails', () => {
  const faulty = (fault: object): StandInScriptInput => ({
    rules: [{ reply: { text: 'a text of several pieces' }, fault }],
  })

  for (const [status, code, retryable] of [
    [400, 'model_request_invalid', false],
    [401, 'model_denied', false],
    [403, 'model_denied', false],
    [404, 'model_not_found', false],
    [408, 'model_unavailable', true],
    [429, 'model_rate_limited', true],
    [500, 'model_unavailable', true],
    [503, 'model_unavailable', true],
  ] as const)
    bothWays(`with ${status} is ${code}, asked for once`, async (more) => {
      await start(faulty({ status, retryAfterS: 2 }))
      const error = await failure(more)
      assert.deepEqual([error.code, error.retryable, error.retryAfterMs], [code, retryable, 2000])
      assert.equal(standIn?.calls().total, 1)
    })

  for (const breakAfterChunks of [0, 1, 3])
    test(`in a stream that breaks after ${breakAfterChunks} pieces is no half answer`, async () => {
      await start(faulty({ breakAfterChunks }))
      const error = await failure({ onDelta() {} })
      assert.ok(['model_answer_broken', 'model_unreachable'].includes(error.code), error.code)
      assert.equal(error.retryable, true)
    })

  test('in a stream that ends without saying so is no half answer', async () => {
    const error = await failureOfStream('data: {"choices":[{"delta":{"content":"half"},"finish_reason":null}]}\n\n')
    assert.deepEqual([error.code, error.retryable], ['model_answer_broken', true])
  })

  test('in a stream that tells of an error is no half answer', async () => {
    const error = await failureOfStream(
      'data: {"error":{"message":"overloaded","type":"server_error"}}\n\ndata: [DONE]\n\n',
    )
    assert.deepEqual([error.code, error.retryable], ['model_answer_broken', true])
    assert.match(error.message, /overloaded/)
  })

  test('in a body that breaks off is no half answer', async () => {
    await start(faulty({ breakAfterChunks: 1 }))
    const error = await failure()
    assert.deepEqual([error.code, error.retryable], ['model_answer_broken', true])
  })

  bothWays('with malformed JSON is a broken answer', async (more) => {
    await start(faulty({ malformed: 'body' }))
    const error = await failure(more)
    assert.deepEqual([error.code, error.retryable], ['model_answer_broken', true])
  })

  bothWays('since nobody listens is unreachable', async (more) => {
    await start(faulty({}))
    const baseUrl = standIn?.url ?? ''
    await standIn?.stop()
    const error = await failure({ ...more, baseUrl })
    assert.deepEqual([error.code, error.retryable], ['model_unreachable', true])
  })

  bothWays('by the time of the outbound client is a time-out', async (more) => {
    await start(faulty({ slowMs: 5000 }))
    const hasty = makeModelClient({ fetch: outbound.asFetch({ timeoutMs: 100 }) })
    await assert.rejects(hasty.turn(request(more)), { code: 'model_timeout', retryable: true })
  })

  bothWays('by the time of its signal is a time-out', async (more) => {
    await start(faulty({ slowMs: 5000 }))
    const error = await failure({ ...more, signal: AbortSignal.timeout(100) })
    assert.deepEqual([error.code, error.retryable], ['model_timeout', true])
  })

  bothWays('since it was cancelled rejects with the reason', async (more) => {
    await start(faulty({ slowMs: 5000 }))
    const abort = new AbortController()
    setTimeout(() => abort.abort(new Error('cancelled')), 50)
    await assert.rejects(turn({ ...more, signal: abort.signal }), { message: 'cancelled' })
    await assert.rejects(turn({ ...more, signal: abort.signal }), { message: 'cancelled' })
  })

  bothWays('since its address is internal is not tried again', async (more) => {
    const error = await failure({ ...more, baseUrl: 'http://169.254.169.254/v1' })
    assert.deepEqual([error.code, error.retryable], ['outbound_blocked', false])
  })

  bothWays('with the global fetch is told just so', async (more) => {
    const plain = makeModelClient({ fetch: globalThis.fetch })
    await start(faulty({ status: 429, retryAfterS: 1, times: 1 }))
    await assert.rejects(plain.turn(request(more)), { code: 'model_rate_limited', retryAfterMs: 1000 })
    assert.equal((await plain.turn(request(more))).text, 'a text of several pieces')
    const baseUrl = standIn?.url ?? ''
    await standIn?.stop()
    await assert.rejects(plain.turn(request({ ...more, baseUrl })), { code: 'model_unreachable', retryable: true })
  })

  bothWays('since its messages do not fit together is refused', async (more) => {
    await start(faulty({}))
    const messages: Message[] = [
      { role: 'user', text: 'q' },
      { role: 'assistant', text: '', toolCalls: [{ id: 'a', name: 'weather', input: {} }] },
      { role: 'user', text: 'never mind the tool' },
    ]
    const error = await failure({ ...more, messages })
    assert.deepEqual([error.code, error.retryable, standIn?.calls().total], ['model_request_invalid', false, 0])
  })

  test('since the account is empty is not tried again, though it comes as 429', async () => {
    const text =
      '{"error":{"message":"You exceeded your quota","type":"insufficient_quota","code":"insufficient_quota"}}'
    const error = await withService(answerWith(text, 'application/json', 429), (baseUrl) => failure({ baseUrl }))
    assert.deepEqual([error.code, error.retryable], ['model_denied', false])
    assert.match(error.message, /exceeded your quota/)
  })
})
