/** The one place that knows the model library: asks an OpenAI-compatible service for one turn. Retries are the engine's. */
import type { ModelMessage, OutputInterface, ToolSet } from 'ai'
import { type Clock, systemClock } from '../../platform/clock.ts'
import type { Json, JsonSchema } from '../../platform/json.ts'
import { modelErrorOf, modelErrors } from './errors.ts'
import { type CompileSchema, isStrictSchema, readOutput } from './output.ts'
import type {
  Message,
  ModelFinish,
  ModelRequest,
  ModelToolCall,
  ModelToolResult,
  ModelTurn,
  ModelUsage,
} from './types.ts'

export interface ModelClientOptions {
  /** The guarded one: tenants name the addresses of their models. */
  readonly fetch: typeof fetch
  /** Checks answers by schema; without it, that they are JSON is all that is seen to. */
  readonly compileSchema?: CompileSchema
  readonly clock?: Clock
}

export interface ModelClient {
  /**
   * One call to the model, streamed when `onDelta` is given. Resolves with a whole turn only; rejects with `modelErrors`,
   * with an outbound error that no retry mends, or with the signal's reason.
   */
  turn(request: ModelRequest): Promise<ModelTurn>
}

/** Cheap to make: the library, which is heavy, is loaded with the first turn. */
export const makeModelClient = ({ fetch, compileSchema, clock = systemClock }: ModelClientOptions): ModelClient => {
  let library: ReturnType<typeof loadLibrary> | undefined
  return {
    async turn(request) {
      request.signal.throwIfAborted()
      library ??= loadLibrary()
      const { ai, createOpenAICompatible } = await library
      const provider = createOpenAICompatible({
        name: PROVIDER,
        baseURL: request.baseUrl,
        fetch,
        includeUsage: true,
        supportsStructuredOutputs: true,
        ...(request.apiKey !== undefined && { apiKey: request.apiKey }),
      })
      const options = { model: provider.chatModel(request.model), ...callOptions(request, ai) }
      const progress = { started: false }
      try {
        const raw = request.onDelta
          ? await readStream(ai.streamText({ ...options, onError() {} }).stream, request.onDelta, progress)
          : await readResult(ai.generateText(options))
        return turnOf(raw, request, compileSchema)
      } catch (error) {
        const { signal } = request
        if (signal.aborted && !(signal.reason instanceof Error && signal.reason.name === 'TimeoutError'))
          throw signal.reason
        throw modelErrorOf(signal.aborted ? signal.reason : error, { ...progress, nowMs: clock.now() })
      }
    },
  }
}

const PROVIDER = 'model'

const loadLibrary = async () => {
  const [ai, { createOpenAICompatible }] = await Promise.all([import('ai'), import('@ai-sdk/openai-compatible')])
  return { ai, createOpenAICompatible }
}

type Library = Awaited<ReturnType<typeof loadLibrary>>['ai']

const callOptions = (request: ModelRequest, ai: Library) => ({
  messages: request.messages.map(toModelMessage),
  allowSystemInMessages: true,
  tools: toToolSet(request, ai),
  maxRetries: 0,
  abortSignal: request.signal,
  ...(request.system !== undefined && { instructions: request.system }),
  ...(request.temperature !== undefined && { temperature: request.temperature }),
  ...(request.maxOutputTokens !== undefined && { maxOutputTokens: request.maxOutputTokens }),
  ...(request.idempotencyKey !== undefined && { headers: { 'Idempotency-Key': request.idempotencyKey } }),
  ...(request.output && {
    output: textBySchema(request.output.name, request.output.schema),
    providerOptions: { [PROVIDER]: { strictJsonSchema: isStrictSchema(request.output.schema) } },
  }),
})

/** Without `execute`, the library makes no second call by itself: one call is one turn. */
const toToolSet = ({ tools }: ModelRequest, ai: Library): ToolSet =>
  Object.fromEntries(
    tools.map(({ name, description, inputSchema }) => [
      name,
      ai.tool({ description, inputSchema: ai.jsonSchema<Json>(inputSchema as Parameters<Library['jsonSchema']>[0]) }),
    ]),
  )

/** Asks for the schema, and leaves the reading to us: the library would throw away a turn whose text does not fit. */
const textBySchema = (name: string, schema: JsonSchema): OutputInterface<string> => ({
  name: 'text-by-schema',
  responseFormat: Promise.resolve({ type: 'json', name, schema }),
  parseCompleteOutput: async ({ text }) => text,
  parsePartialOutput: async () => undefined,
  createElementStreamTransform: () => undefined,
})

const toModelMessage = (message: Message): ModelMessage => {
  switch (message.role) {
    case 'system':
    case 'user':
      return { role: message.role, content: message.text }
    case 'assistant': {
      const calls = (message.toolCalls ?? []).map(
        ({ id, name, input }) => ({ type: 'tool-call', toolCallId: id, toolName: name, input }) as const,
      )
      return { role: 'assistant', content: [{ type: 'text', text: message.text }, ...calls] }
    }
    case 'tool':
      return {
        role: 'tool',
        content: message.results.map((result) => ({
          type: 'tool-result',
          toolCallId: result.id,
          toolName: result.name,
          output: toToolOutput(result),
        })),
      }
  }
}

const toToolOutput = ({ output, isError }: ModelToolResult) => {
  if (typeof output === 'string') return { type: isError ? 'error-text' : 'text', value: output } as const
  return { type: isError ? 'error-json' : 'json', value: output } as const
}

interface RawToolCall {
  readonly toolCallId: string
  readonly toolName: string
  readonly input: unknown
  readonly invalid?: boolean
  readonly error?: unknown
}

interface RawTurn {
  readonly text: string
  readonly toolCalls: readonly RawToolCall[]
  readonly finishReason: string
  readonly usage: {
    readonly inputTokens: number | undefined
    readonly outputTokens: number | undefined
    readonly inputTokenDetails?: { readonly cacheReadTokens: number | undefined }
  }
}

const readResult = async (result: ReturnType<Library['generateText']>): Promise<RawTurn> => {
  const { text, toolCalls, finishReason, usage } = await result
  return { text, toolCalls, finishReason, usage }
}

type Stream = ReturnType<Library['streamText']>['stream']

const readStream = async (
  stream: Stream,
  onDelta: (text: string) => void,
  progress: { started: boolean },
): Promise<RawTurn> => {
  let text = ''
  const toolCalls: RawToolCall[] = []
  for await (const part of stream) {
    if (part.type === 'text-delta') {
      progress.started = true
      text += part.text
      onDelta(part.text)
    } else if (part.type === 'tool-call') toolCalls.push(part)
    else if (part.type === 'error') throw part.error
    else if (part.type === 'finish') return { text, toolCalls, finishReason: part.finishReason, usage: part.totalUsage }
  }
  throw modelErrors.model_answer_broken('the answer of the model ended without an end')
}

const turnOf = (raw: RawTurn, request: ModelRequest, compileSchema: CompileSchema | undefined): ModelTurn => {
  const finishReason = finishOf(raw.finishReason)
  const toolCalls = raw.toolCalls.map(toolCallOf)
  const usage = usageOf(raw, request)
  const turn: ModelTurn = { text: raw.text, toolCalls, finishReason, usage }
  // A turn that asks for tools is not the answer yet.
  if (!request.output || toolCalls.length > 0) return turn
  return { ...turn, ...readOutput(raw.text, finishReason, request.output.schema, compileSchema) }
}

const FINISHES: readonly string[] = ['stop', 'length', 'tool-calls', 'content-filter'] satisfies ModelFinish[]

const finishOf = (reason: string): ModelFinish => {
  if (reason === 'error') throw modelErrors.model_answer_broken('the model ended its answer with an error')
  return FINISHES.includes(reason) ? (reason as ModelFinish) : 'other'
}

const toolCallOf = ({ toolCallId, toolName, input, invalid, error }: RawToolCall): ModelToolCall => {
  const call = { id: toolCallId, name: toolName, input: (input ?? null) as Json }
  if (!invalid) return call
  const name = (error as { name?: unknown } | undefined)?.name
  if (name === 'AI_NoSuchToolError') return { ...call, invalid: `there is no tool named ${JSON.stringify(toolName)}` }
  return { ...call, invalid: 'the input is not valid JSON' }
}

/** As a rule of thumb has it. */
const CHARACTERS_PER_TOKEN = 4

const usageOf = ({ usage, text, toolCalls }: RawTurn, { system = '', messages }: ModelRequest): ModelUsage => {
  const { inputTokens, outputTokens } = usage
  const cached = usage.inputTokenDetails?.cacheReadTokens ?? 0
  if (inputTokens !== undefined && outputTokens !== undefined)
    return {
      ...{ inputTokens, outputTokens, totalTokens: inputTokens + outputTokens },
      ...(cached > 0 && { cachedInputTokens: cached }),
    }
  const tokensOf = (characters: number): number => Math.ceil(characters / CHARACTERS_PER_TOKEN)
  const input = inputTokens ?? tokensOf(system.length + JSON.stringify(messages).length)
  const output = outputTokens ?? tokensOf(text.length + JSON.stringify(toolCalls.map((c) => c.input)).length)
  return { inputTokens: input, outputTokens: output, totalTokens: input + output, estimated: true }
}
