/** Turns the reply of a rule into an answer, and an answer into what goes over the wire. */
import type { Json } from '../../platform/json.ts'
import { compileJsonata } from '../../platform/jsonata.ts'
import { sampleOf } from './sample.ts'
import type { Conversation, StandInReply } from './script.ts'

export interface Answer {
  readonly text: string
  readonly toolCalls: readonly { readonly id: string; readonly name: string; readonly arguments: string }[]
  readonly finishReason: string
}

/** Marks every answer as made by the stand-in. */
const FINGERPRINT = 'stand-in'

export const makeAnswer = async (reply: StandInReply, conversation: Conversation): Promise<Answer> => {
  const text = await fill(reply.text ?? null, conversation)
  const wanted = await fill((reply.toolCalls ?? []) as Json, conversation)
  const toolCalls = (Array.isArray(wanted) ? wanted : [wanted]) as { name: string; input?: Json }[]
  let output = reply.output === undefined ? undefined : await fill(reply.output, conversation)
  // A turn that calls tools is not the answer yet.
  if (output === undefined && text === null && toolCalls.length === 0 && conversation.schema !== null)
    output = sampleOf(conversation.schema)
  return {
    text: output === undefined ? textOf(text) : JSON.stringify(output),
    toolCalls: toolCalls.map(({ name, input }, i) => ({
      // Unique within the conversation, and the same if the turn is asked for again.
      id: `call_${conversation.turn}_${i + 1}`,
      name,
      arguments: JSON.stringify(input ?? {}),
    })),
    finishReason: reply.finishReason ?? (toolCalls.length > 0 ? 'tool_calls' : 'stop'),
  }
}

const textOf = (value: Json): string =>
  value === null ? '' : typeof value === 'string' ? value : JSON.stringify(value)

/** Replaces every text `{% … %}` in a value by what the expression gives. */
const fill = async (value: Json, conversation: Conversation): Promise<Json> => {
  if (typeof value === 'string') {
    const expression = /^\{%([\s\S]*)%\}$/.exec(value)?.[1]
    return expression === undefined ? value : compileJsonata(expression).evaluate(conversation, {})
  }
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return Promise.all(value.map((item) => fill(item, conversation)))
  const entries = Object.entries(value).map(async ([key, item]) => [key, await fill(item, conversation)] as const)
  return Object.fromEntries(await Promise.all(entries))
}

/** About four characters a token, as a rule of thumb has it: numbers to count with, the same for the same conversation. */
export const countUsage = (conversation: Conversation, answer: Answer) => {
  const prompt_tokens = Math.ceil(JSON.stringify(conversation.messages).length / 4)
  const completion_tokens = Math.ceil((answer.text + answer.toolCalls.map((c) => c.arguments).join('')).length / 4)
  return { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens }
}

export type Usage = ReturnType<typeof countUsage>

export interface Envelope {
  readonly id: string
  readonly created: number
  readonly usage: Usage
}

const common = ({ id, created }: Envelope) => ({ id, created, model: 'stand-in', system_fingerprint: FINGERPRINT })

export const toCompletion = (answer: Answer, envelope: Envelope): Json => {
  const tool_calls = answer.toolCalls.map((c) => ({
    id: c.id,
    type: 'function',
    function: { name: c.name, arguments: c.arguments },
  }))
  const message = { role: 'assistant', content: answer.text || null, ...(tool_calls.length > 0 && { tool_calls }) }
  const choices = [{ index: 0, message, logprobs: null, finish_reason: answer.finishReason }]
  return { ...common(envelope), object: 'chat.completion', choices, usage: envelope.usage }
}

const PIECE = 12

/** The answer in pieces, as it streams; usage comes last, in a chunk of its own, when it was asked for. */
export const toChunks = (answer: Answer, envelope: Envelope, includeUsage: boolean): Json[] => {
  const chunk = (delta: Json, finish_reason: string | null = null): Json => {
    const choices = [{ index: 0, delta, logprobs: null, finish_reason }]
    return { ...common(envelope), object: 'chat.completion.chunk', choices, ...(includeUsage && { usage: null }) }
  }
  const chunks = [chunk({ role: 'assistant', content: '' })]
  for (const content of pieces(answer.text)) chunks.push(chunk({ content }))
  for (const [index, call] of answer.toolCalls.entries()) {
    const start = { index, id: call.id, type: 'function', function: { name: call.name, arguments: '' } }
    chunks.push(chunk({ tool_calls: [start] }))
    for (const part of pieces(call.arguments))
      chunks.push(chunk({ tool_calls: [{ index, function: { arguments: part } }] }))
  }
  chunks.push(chunk({}, answer.finishReason))
  if (includeUsage)
    chunks.push({ ...common(envelope), object: 'chat.completion.chunk', choices: [], usage: envelope.usage })
  return chunks
}

const pieces = (text: string): string[] => {
  const points = [...text]
  return Array.from({ length: Math.ceil(points.length / PIECE) }, (_, i) =>
    points.slice(i * PIECE, (i + 1) * PIECE).join(''),
  )
}
