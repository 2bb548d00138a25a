import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import fs from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import test, { afterEach, describe } from 'node:test'
import type { Json } from '../../platform/json.ts'
import { defaultScript, parseScript, type StandInScriptInput } from './script.ts'
import { type ModelStandIn, makeModelStandIn } from './stand-in.ts'

let standIn: ModelStandIn
afterEach(() => standIn?.stop())

const start = async (script: StandInScriptInput): Promise<void> => {
  standIn = await makeModelStandIn({ script })
}
const post = (body: unknown, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(`${standIn.url}/chat/completions`, {
    method: 'POST',
    headers,
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })

interface Completion {
  model: string
  system_fingerprint: string
  choices: {
    message: { content: string | null; tool_calls?: { id: string; function: { name: string; arguments: string } }[] }
    finish_reason: string
  }[]
  usage: { prompt_tokens: number; completion_tokens: number; total_tokens: number }
}
const ask = async (messages: Json[], more: object = {}): Promise<Completion> => {
  const response = await post({ model: 'm', messages, ...more })
  assert.equal(response.status, 200, await response.clone().text())
  return (await response.json()) as Completion
}
const user = (content: string): Json => ({ role: 'user', content })
const textOf = (completion: Completion): string | null => completion.choices[0]!.message.content

const readEvents = async (response: Response): Promise<string[]> =>
  (await response.text())
    .split('\n\n')
    .filter(Boolean)
    .map((event) => event.replace(/^data: /, ''))

interface Chunk {
  choices: {
    delta: { content?: string; tool_calls?: { function: { arguments: string } }[] }
    finish_reason: string | null
  }[]
  usage: { total_tokens: number } | null
}

describe('the model stand-in', () => {
  test('answers by the first rule that fits', async () => {
    await start({
      rules: [
        { when: { system: '^You are an auditor', lastMessage: '\\bMIT\\b' }, reply: { text: 'audited' } },
        { when: { model: 'other' }, reply: { text: 'other model' } },
        { when: { turn: 2 }, reply: { text: 'second' } },
        { when: { lastMessage: 'once' }, times: 1, reply: { text: 'first time' } },
        { reply: { text: 'else' } },
      ],
    })
    assert.equal(
      textOf(await ask([{ role: 'system', content: 'You are an auditor' }, user('is MIT fine?')])),
      'audited',
    )
    assert.equal(textOf(await ask([user('x')], { model: 'other' })), 'other model')
    assert.equal(textOf(await ask([user('x'), { role: 'assistant', content: 'y' }, user('z')])), 'second')
    assert.equal(textOf(await ask([user('once')])), 'first time')
    assert.equal(textOf(await ask([user('once')])), 'else')
    assert.equal(
      textOf(
        await ask([
          {
            role: 'user',
            content: [
              { type: 'text', text: 'on' },
              { type: 'text', text: 'ce' },
            ],
          },
        ]),
      ),
      'else',
    )
  })

  test('says in every answer that it is a stand-in', async () => {
    await start({ rules: [{ reply: { text: 'hello' } }] })
    const answer = await ask([user('x')], { model: 'gpt-9' })
    assert.deepEqual([answer.model, answer.system_fingerprint], ['stand-in', 'stand-in'])
    const events = await readEvents(await post({ model: 'gpt-9', stream: true, messages: [user('x')] }))
    for (const event of events.slice(0, -1)) assert.match(event, /"model":"stand-in","system_fingerprint":"stand-in"/)
    const models = (await (await fetch(`${standIn.url}/models`)).json()) as { data: { id: string }[] }
    assert.deepEqual(
      models.data.map((m) => m.id),
      ['stand-in'],
    )
  })

  test('calls tools, and makes its answer from their results', async () => {
    await start({
      rules: [
        {
          when: { turn: 1 },
          reply: { text: 'let me see', toolCalls: [{ name: 'weather', input: { city: '{% data.city %}' } }] },
        },
        { when: { tool: 'weather' }, reply: { text: '{% results[-1].input.city & " is " & results[-1].value.sky %}' } },
      ],
    })
    const question = user('What about {"city": "Bonn"}?')
    const first = await ask([question])
    const { message, finish_reason } = first.choices[0]!
    assert.deepEqual([message.content, finish_reason], ['let me see', 'tool_calls'])
    assert.deepEqual(
      message.tool_calls?.map((c) => [c.function.name, c.function.arguments]),
      [['weather', '{"city":"Bonn"}']],
    )
    const result = { role: 'tool', tool_call_id: message.tool_calls![0]!.id, content: '{"sky":"grey"}' }
    assert.equal(textOf(await ask([question, { role: 'assistant', ...message } as Json, result])), 'Bonn is grey')
  })

  test('calls as many tools as an expression says', async () => {
    await start({
      rules: [{ reply: { toolCalls: '{% data.cities.{ "name": "weather", "input": { "city": $ } } %}' } }],
    })
    const answer = await ask([user('{"cities":["Bonn","Ulm"]}')])
    const calls = answer.choices[0]!.message.tool_calls ?? []
    assert.deepEqual(
      calls.map((c) => [c.id, c.function.arguments]),
      [
        ['call_1_1', '{"city":"Bonn"}'],
        ['call_1_2', '{"city":"Ulm"}'],
      ],
    )
  })

  test('answers by a schema: as the rule says, or with a sample of it', async () => {
    await start({
      rules: [
        {
          when: { output: true, lastMessage: 'count' },
          reply: { output: { kind: 'list', licences: '{% $count(data.licences) %}' } },
        },
        { when: { output: true }, reply: {} },
        { reply: { text: 'no schema' } },
      ],
    })
    const schema = {
      type: 'object',
      properties: {
        a: { type: 'string' },
        n: { type: 'integer', minimum: 3 },
        list: { type: 'array', minItems: 1, items: { enum: ['x', 'y'] } },
        o: { anyOf: [{ type: 'object', properties: { b: { type: 'boolean' } } }] },
      },
    }
    const response_format = { type: 'json_schema', json_schema: { name: 'r', schema } }
    assert.deepEqual(JSON.parse(textOf(await ask([user('count {"licences":["MIT","ISC"]}')], { response_format }))!), {
      kind: 'list',
      licences: 2,
    })
    assert.deepEqual(JSON.parse(textOf(await ask([user('x')], { response_format }))!), {
      a: 'stand-in',
      n: 3,
      list: ['x'],
      o: { b: false },
    })
    assert.equal(textOf(await ask([user('x')])), 'no schema')
  })

  test('streams the same answer in pieces, with usage when asked for', async () => {
    await start({
      rules: [
        {
          reply: { text: 'grüße an alle 😀 draußen', toolCalls: [{ name: 't', input: { a: 'a long enough input' } }] },
        },
      ],
    })
    const whole = await ask([user('x')])
    const response = await post({
      model: 'm',
      stream: true,
      stream_options: { include_usage: true },
      messages: [user('x')],
    })
    assert.equal(response.headers.get('content-type'), 'text/event-stream')
    const events = await readEvents(response)
    assert.equal(events.pop(), '[DONE]')
    const chunks = events.map((event) => JSON.parse(event) as Chunk)
    const deltas = chunks.flatMap((c) => c.choices.map((choice) => choice.delta))
    assert.equal(deltas.map((d) => d.content ?? '').join(''), textOf(whole))
    assert.ok(deltas.filter((d) => d.content).length > 1)
    assert.equal(
      deltas
        .flatMap((d) => d.tool_calls ?? [])
        .map((c) => c.function.arguments)
        .join(''),
      '{"a":"a long enough input"}',
    )
    assert.deepEqual(chunks.at(-1)?.usage, whole.usage)
    assert.equal(chunks.at(-2)?.choices[0]?.finish_reason, 'tool_calls')
    const bare = await readEvents(await post({ model: 'm', stream: true, messages: [user('x')] }))
    assert.ok(bare.every((event) => !event.includes('usage')))
  })

  test('gives the same usage for the same conversation', async () => {
    await start({ rules: [{ reply: { text: '12345678' } }] })
    const { usage } = await ask([user('x')])
    assert.equal(usage.completion_tokens, 2)
    assert.ok(usage.prompt_tokens > 0 && usage.total_tokens === usage.prompt_tokens + 2)
    assert.deepEqual((await ask([user('x')])).usage, usage)
  })

  test('refuses what is no request, and a conversation without a rule', async () => {
    await start({ rules: [{ when: { turn: 9 } }] })
    for (const bad of [
      '{',
      {},
      { model: 'm', messages: [] },
      { model: 'm', messages: [{ role: 'cat' }] },
      { model: 'm', messages: [user('x')] },
    ]) {
      const response = await post(bad)
      assert.equal(response.status, 400, JSON.stringify(bad))
      assert.match(((await response.json()) as { error: { message: string } }).error.message, /./)
    }
    assert.equal((await fetch(`${standIn.url}/nothing`)).status, 404)
  })

  test('says when an expression of its script fails', async () => {
    await start({ rules: [{ reply: { text: '{% $nothing() %}' } }] })
    const response = await post({ model: 'm', messages: [user('x')] })
    assert.equal(response.status, 500)
    assert.match(await response.text(), /script of the stand-in failed/)
  })

  test('answers anything by its default script', async () => {
    await start(defaultScript)
    assert.match(textOf(await ask([user('hello')])) ?? '', /stand-in, not a model.*hello/)
  })
})

describe('the model stand-in counts calls', () => {
  test('in total, and by idempotency key', async () => {
    await start({ rules: [{ name: 'r', reply: { text: 'x' } }], faults: [{ calls: [2], status: 500 }] })
    const body = { model: 'm', messages: [user('x')] }
    for (const key of ['a', 'a', 'b', 'a']) await (await post(body, { 'idempotency-key': key })).text()
    const { total, answered, calls } = standIn.calls()
    assert.deepEqual([total, answered, calls.map((c) => c.key).join('')], [4, 3, 'aaba'])
    assert.deepEqual(
      [standIn.callsFor('a'), standIn.callsFor('b'), standIn.callsFor('c')],
      [
        { calls: 3, answered: 2 },
        { calls: 1, answered: 1 },
        { calls: 0, answered: 0 },
      ],
    )
    const report = new URL('/stand-in/calls', standIn.url)
    assert.deepEqual(await (await fetch(report)).json(), standIn.calls())
    report.search = '?key=a'
    assert.deepEqual(await (await fetch(report)).json(), { calls: 3, answered: 2 })
    standIn.reset()
    assert.equal(standIn.calls().total, 0)
    assert.deepEqual(standIn.callsFor('a'), { calls: 0, answered: 0 })
  })

  test('by conversation, where no key is sent', async () => {
    await start({ rules: [{ reply: { text: 'x' } }] })
    for (const text of ['one', 'two', 'one']) await ask([user(text)])
    const keys = standIn.calls().calls.map((c) => c.key)
    assert.equal(keys[0], keys[2])
    assert.notEqual(keys[0], keys[1])
    assert.deepEqual(standIn.callsFor(keys[0]!), { calls: 2, answered: 2 })
  })
})

describe('the model stand-in injects faults', () => {
  const body = { model: 'm', messages: [user('x')] }
  const text = 'a text that is long enough for several pieces'

  test('statuses with Retry-After, on the first calls of a rule', async () => {
    await start({ rules: [{ reply: { text }, fault: { status: 429, retryAfterS: 2, times: 2 } }] })
    for (const expected of [429, 429, 200]) {
      const response = await post(body)
      assert.equal(response.status, expected)
      assert.equal(response.headers.get('retry-after'), expected === 429 ? '2' : null)
    }
  })

  test('by the number of the call', async () => {
    await start({
      rules: [{ reply: { text } }],
      faults: [
        { calls: [1], status: 503 },
        { every: 3, status: 500 },
      ],
    })
    const statuses: number[] = []
    for (let i = 0; i < 6; i++) statuses.push((await post(body)).status)
    assert.deepEqual(statuses, [503, 200, 500, 200, 200, 500])
  })

  test('slowness', async () => {
    await start({ rules: [{ reply: { text }, fault: { slowMs: 150 } }] })
    const before = performance.now()
    await (await post(body)).text()
    assert.ok(performance.now() - before >= 145)
  })

  test('broken connections, streaming or not', async () => {
    await start({ rules: [{ reply: { text }, fault: { breakAfterChunks: 2 } }] })
    await assert.rejects(post(body).then((response) => response.text()))
    const response = await post({ ...body, stream: true })
    const decoder = new TextDecoder()
    let got = ''
    await assert.rejects(async () => {
      for await (const chunk of response.body!) got += decoder.decode(chunk)
    })
    assert.ok(got.includes('data: ') && !got.includes('[DONE]'))
    assert.equal(standIn.calls().answered, 0)
  })

  test('malformed JSON, of the body or of the input of a tool', async () => {
    await start({
      rules: [
        { times: 2, reply: { text }, fault: { malformed: 'body' } },
        { reply: { toolCalls: [{ name: 't', input: { a: 1 } }] }, fault: { malformed: 'toolInput' } },
      ],
    })
    const whole = await (await post(body)).text()
    assert.throws(() => JSON.parse(whole))
    const events = await readEvents(await post({ ...body, stream: true }))
    assert.throws(() => JSON.parse(events[1]!))
    const call = (await ask([user('x')])).choices[0]!.message.tool_calls![0]!
    assert.throws(() => JSON.parse(call.function.arguments))
  })
})

describe('a script of the stand-in', () => {
  test('that is wrong is refused with the place', () => {
    const bad: [unknown, RegExp][] = [
      [{}, /\/rules/],
      [{ rules: [{ when: { colour: 'red' } }] }, /\/rules\/0\/when/],
      [{ rules: [{ reply: { toolCalls: [{ input: {} }] } }] }, /\/rules\/0\/reply\/toolCalls/],
      [{ rules: [{ fault: { status: 200 } }] }, /\/rules\/0\/fault\/status/],
      [{ rules: [{ when: { lastMessage: '(' } }] }, /\/rules\/0\/when\/lastMessage/],
    ]
    for (const [script, place] of bad)
      assert.throws(
        () => parseScript(script),
        { code: 'stand_in_script_invalid', message: place },
        JSON.stringify(script),
      )
  })

  test('is read from a file by the program, which ends when told to', async () => {
    const folder = await fs.mkdtemp(path.join(os.tmpdir(), 'stand-in-'))
    const file = path.join(folder, 'script.yaml')
    await fs.writeFile(file, "rules:\n  - when: { lastMessage: hi }\n    reply: { text: '{% $uppercase(last) %}' }\n")
    const main = path.join(import.meta.dirname, 'main.ts')
    const program = spawn(process.execPath, [main, '--script', file], { stdio: ['ignore', 'pipe', 'inherit'] })
    const ended = new Promise<number | null>((resolve) => program.once('exit', resolve))
    const [line] = (await program.stdout.take(1).toArray()) as Buffer[]
    const url = /http:\S+/.exec(String(line))?.[0]
    const response = await fetch(`${url}/chat/completions`, {
      method: 'POST',
      body: JSON.stringify({ model: 'm', messages: [user('hi')] }),
    })
    assert.equal(textOf((await response.json()) as Completion), 'HI')
    program.kill('SIGTERM')
    assert.equal(await ended, 0)
    await fs.rm(folder, { recursive: true })
  })
})
