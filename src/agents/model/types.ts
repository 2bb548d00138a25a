/**
 * What goes to a model and what comes back, as plain JSON: turns are journaled and read again years later, so nothing of any
 * library's is in here.
 */
import type { Json, JsonSchema } from '../../platform/json.ts'

/** A tool that the model asks for. */
export type ModelToolCall = {
  /** Given by the model; its result is told apart by it. */
  id: string
  name: string
  /** As the model gave it; the text itself where that is no JSON. */
  input: Json
  /**
   * Why this call cannot be made: its input is no JSON, or no tool of this name was offered. Answer it with a result that is
   * an error, so that the model can mend it: the turn itself was answered and paid for.
   */
  invalid?: string
}

export type ModelToolResult = {
  /** Of the call. */
  id: string
  name: string
  output: Json
  isError?: boolean
}

export type Message =
  | { role: 'system'; text: string }
  | { role: 'user'; text: string }
  | { role: 'assistant'; text: string; toolCalls?: ModelToolCall[] }
  /** The results of all calls of the message before. */
  | { role: 'tool'; results: ModelToolResult[] }

export interface ModelTool {
  readonly name: string
  readonly description: string
  readonly inputSchema: JsonSchema
}

export interface ModelRequest {
  /** Of an OpenAI-compatible service, up to and with its version: `https://…/v1`. */
  readonly baseUrl: string
  readonly apiKey?: string
  readonly model: string
  readonly system?: string
  readonly messages: readonly Message[]
  readonly tools: readonly ModelTool[]
  /** Asks for an answer that is JSON by this schema. */
  readonly output?: { readonly name: string; readonly schema: JsonSchema }
  readonly temperature?: number
  readonly maxOutputTokens?: number
  /** Sent as `Idempotency-Key`: the same for every try at the same turn. */
  readonly idempotencyKey?: string
  readonly signal: AbortSignal
  /** Called with each piece of text as it comes. A try that fails later has called it, too: what it told is void then. */
  readonly onDelta?: (text: string) => void
}

export type ModelUsage = {
  inputTokens: number
  outputTokens: number
  totalTokens: number
  /** Of the input, what the service had at hand; left out where it tells of none. */
  cachedInputTokens?: number
  /** The service told no numbers; these are made from the length of the texts. */
  estimated?: true
}

export type ModelFinish = 'stop' | 'length' | 'tool-calls' | 'content-filter' | 'other'

export type ModelTurn = {
  text: string
  toolCalls: ModelToolCall[]
  finishReason: ModelFinish
  usage: ModelUsage
  /** The answer by the schema that was asked for, when there is one. */
  output?: Json
  /** Why the text is no answer by that schema. Tell it to the model in the next turn: this one was answered and paid for. */
  outputInvalid?: string
}
