/** The conversation of a run: what its input begins it with, and what the model is told of its calls and its mistakes. */
import { z } from 'zod'
import type { Json } from '../platform/json.ts'
import { agentErrors } from './errors.ts'
import type { Message, ModelToolCall, ModelToolResult } from './model/types.ts'

const conversationSchema = z.strictObject({
  messages: z
    .array(z.strictObject({ role: z.enum(['user', 'assistant']), text: z.string() }))
    .min(1)
    .max(1000)
    .refine((messages) => messages.at(-1)?.role === 'user', 'the last message must be of the user'),
})

/**
 * A text is the user's message; `{ messages: [{ role, text }] }` continues a conversation; any other value is given to the model as
 * JSON. Throws `agent_input_invalid`.
 */
export const readInput = (input: Json): Message[] => {
  if (isConversation(input)) {
    const parsed = conversationSchema.safeParse(input)
    if (parsed.success) return parsed.data.messages
    const findings = parsed.error.issues.map(({ path, message }) => ({ path: ['input', ...path].join('.'), message }))
    const shown = findings.map(({ path, message }) => `${path}: ${message}`).join('; ')
    throw agentErrors.agent_input_invalid(`the conversation cannot be continued: ${shown}`, { findings })
  }
  if (input === null || (typeof input === 'string' && input.trim() === '')) {
    throw agentErrors.agent_input_invalid(
      'the input is empty; give the agent a text, any JSON, or { messages: [{ role, text }] }',
    )
  }
  return [{ role: 'user', text: typeof input === 'string' ? input : JSON.stringify(input) }]
}

const isConversation = (input: Json): boolean =>
  typeof input === 'object' && input !== null && !Array.isArray(input) && Object.keys(input).join() === 'messages'

/** What the model is told of a call that came to nothing, so that it can try another way. */
export const failedCall = ({ id, name }: ModelToolCall, code: string, message: string): ModelToolResult => ({
  id,
  name,
  output: { error: { code, message } },
  isError: true,
})

/** What the model is told of an answer that does not follow the schema. */
export const askAgain = (problem: string): Message => ({
  role: 'user',
  text: `Your last answer cannot be used: ${problem}. Answer again, with nothing but JSON that follows the schema.`,
})
