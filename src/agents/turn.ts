/**
 * One turn of an agent: asks its model, and settles what follows from the answer. All of that is the result of one journaled step,
 * so that a replay goes the same way even where a tool or a check has changed since.
 */
import type { StepCall } from '../engine/index.ts'
import { AppError } from '../platform/errors.ts'
import type { Json, JsonSchema } from '../platform/json.ts'
import { makeRedact, type RevealSecret } from '../secrets/index.ts'
import type { CompileSchema, ToolInfo } from '../skills/index.ts'
import type { AgentConfig } from './config.ts'
import { type DefaultModel, endpointOf, keyOf } from './endpoint.ts'
import type { ModelClient } from './model/client.ts'
import type { Message, ModelToolCall, ModelTurn } from './model/types.ts'
import type { SkillTools } from './types.ts'

/** A call of a tool: with the task that does it, or with `invalid`, the reason why it cannot be made. */
export type AgentCall = ModelToolCall & { kind?: string }
export type AgentTurn = Omit<ModelTurn, 'toolCalls'> & { toolCalls: AgentCall[] }

export interface TurnOptions {
  readonly config: AgentConfig
  readonly skills: SkillTools
  readonly model: ModelClient
  /** Of agents that name none; its key goes to this address alone. */
  readonly defaultModel: DefaultModel | undefined
  readonly compileSchema: CompileSchema
  readonly revealSecret: RevealSecret
  /** Told what each answer of the model has cost, as soon as it is there. */
  readonly onUsage?: ((tenantId: string, usage: ModelTurn['usage'], model: string) => Promise<void>) | undefined
  /** Asked before each call of the model; throws where the tenant may use no more of it. */
  readonly checkQuota?: ((tenantId: string) => Promise<void>) | undefined
  /** Of the agent: its secrets go before the tenant's. */
  readonly projectId: string | null
}

export type TakeTurn = (tenantId: string, messages: readonly Message[], call: StepCall) => Promise<AgentTurn>

type CheckValue = ReturnType<CompileSchema>
type Findings = ReturnType<CheckValue>

const OUTPUT_NAME = 'answer'

export const makeTurn = (options: TurnOptions): TakeTurn => {
  const { config, skills, model, defaultModel, compileSchema, revealSecret, projectId } = options
  const { temperature, maxOutputTokens } = config.model
  // Compiling costs more than all the rest of a turn here; the skills hand out the same schema as long as it holds.
  const checks = new WeakMap<JsonSchema, CheckValue>()
  const findingsOf = (schema: JsonSchema, value: Json): Findings => {
    const check = checks.get(schema) ?? compileSchema(schema)
    checks.set(schema, check)
    return check(value)
  }

  const planCall = (call: ModelToolCall, tools: readonly ToolInfo[]): AgentCall => {
    if (call.invalid !== undefined) return call
    const tool = tools.find(({ name }) => name === call.name)
    if (!tool) return { ...call, invalid: `there is no tool named ${JSON.stringify(call.name)}` }
    const findings = findingsOf(tool.inputSchema, call.input)
    if (findings.length === 0) return { ...call, kind: tool.kind }
    return { ...call, invalid: `the input does not fit: ${show(findings, 'the input')}` }
  }

  /** The client may have been made without a check of schemas: what an agent promises of its output is kept here. */
  const checkOutput = ({ output }: ModelTurn): Partial<ModelTurn> => {
    if (config.output === undefined || output === undefined) return {}
    const findings = findingsOf(config.output, output)
    if (findings.length === 0) return {}
    return {
      output: undefined,
      outputInvalid: `the answer does not follow the schema: ${show(findings, 'the answer')}`,
    }
  }

  return async (tenantId, messages, { signal, idempotencyKey }) => {
    await options.checkQuota?.(tenantId)
    const endpoint = endpointOf(config, defaultModel)
    const { baseUrl, model: modelName } = endpoint
    const apiKey = await keyOf(config, endpoint, { tenantId, projectId, revealSecret })
    const tools = config.skills.length > 0 ? await skills.toolsFor({ tenantId, projectId }, config.skills) : []
    const asked = model.turn({
      baseUrl,
      model: modelName,
      system: config.instructions,
      messages,
      tools,
      signal,
      idempotencyKey,
      ...(apiKey !== undefined && { apiKey }),
      ...(config.output && { output: { name: OUTPUT_NAME, schema: config.output } }),
      ...(temperature !== undefined && { temperature }),
      ...(maxOutputTokens !== undefined && { maxOutputTokens }),
    })
    const turn = await asked.catch((error: unknown) => {
      throw apiKey === undefined ? error : withoutKey(error, apiKey)
    })
    await options.onUsage?.(tenantId, turn.usage, modelName)
    return { ...turn, ...checkOutput(turn), toolCalls: turn.toolCalls.map((call) => planCall(call, tools)) }
  }
}

/** A service that refuses a key may repeat it; what it says is kept and shown. */
const withoutKey = (error: unknown, apiKey: string): unknown => {
  if (!(error instanceof AppError)) return error
  const redact = makeRedact([apiKey])
  const { code, status, retryable, findings, details, retryAfterMs } = error
  return new AppError(code, redact(error.message), {
    status,
    retryable,
    ...(findings && { findings }),
    ...(details && { details: JSON.parse(redact(JSON.stringify(details))) as Record<string, unknown> }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  })
}

const MOST_SHOWN = 5

const show = (findings: Findings, whole: string): string =>
  findings
    .slice(0, MOST_SHOWN)
    .map(({ path, message }) => `${path === '' ? whole : path} ${message}`)
    .join('; ')
