/** Reads a chat-completions request as the conversation that rules and expressions see. */
import { z } from 'zod'
import type { Json } from '../../platform/json.ts'
import type { Conversation } from './script.ts'

const content = z
  .union([z.string(), z.array(z.looseObject({ type: z.string(), text: z.string().optional() }))])
  .nullish()

const message = z.looseObject({
  role: z.enum(['system', 'developer', 'user', 'assistant', 'tool']),
  content,
  tool_call_id: z.string().optional(),
  tool_calls: z
    .array(z.looseObject({ id: z.string(), function: z.looseObject({ name: z.string(), arguments: z.string() }) }))
    .nullish(),
})

/** What of a request the stand-in looks at; it takes anything else without a word, as model servers do. */
export const chatRequest = z.looseObject({
  model: z.string(),
  messages: z.array(message).min(1),
  stream: z.boolean().nullish(),
  stream_options: z.looseObject({ include_usage: z.boolean().optional() }).nullish(),
  tools: z.array(z.looseObject({ function: z.looseObject({ name: z.string() }) })).nullish(),
  response_format: z.looseObject({ json_schema: z.looseObject({ schema: z.json().optional() }).optional() }).nullish(),
})

export type ChatRequest = z.output<typeof chatRequest>
type Message = z.output<typeof message>

export const readConversation = (request: ChatRequest): Conversation => {
  const { messages } = request
  const calls = new Map(messages.flatMap((m) => (m.tool_calls ?? []).map((c) => [c.id, c.function] as const)))
  const results = messages.flatMap((m) => {
    const made = m.role === 'tool' ? calls.get(m.tool_call_id ?? '') : undefined
    const value = jsonOr(textOf(m), textOf(m))
    return m.role === 'tool' ? [{ name: made?.name ?? '', input: jsonOr(made?.arguments ?? '', null), value }] : []
  })
  const lastOfUser = messages.findLast((m) => m.role === 'user')
  return {
    model: request.model,
    system: messages.filter(isSystem).map(textOf).join('\n'),
    last: textOf(messages.at(-1)!),
    data: lastOfUser ? findJson(textOf(lastOfUser)) : null,
    turn: messages.filter((m) => m.role === 'assistant').length + 1,
    results,
    tools: (request.tools ?? []).map((t) => t.function.name),
    schema: request.response_format?.json_schema?.schema ?? null,
    messages: messages as Json[],
    endsWithResult: messages.at(-1)?.role === 'tool',
  }
}

const isSystem = ({ role }: Message): boolean => role === 'system' || role === 'developer'

const textOf = ({ content }: Message): string =>
  typeof content === 'string' ? content : (content ?? []).map((part) => part.text ?? '').join('')

const jsonOr = (text: string, otherwise: Json): Json => {
  try {
    return JSON.parse(text) as Json
  } catch {
    return otherwise
  }
}

/** A message may be JSON as a whole, or words with JSON after them, bare or in a fence. */
const findJson = (text: string): Json => {
  const whole = jsonOr(text, null)
  if (whole !== null) return whole
  const start = text.search(/[[{]/)
  if (start < 0) return null
  const end = Math.max(text.lastIndexOf('}'), text.lastIndexOf(']'))
  return jsonOr(text.slice(start, end + 1), null)
}
