/**
 * An agent's run, as a durable function: a turn of the model is a step, a call of a tool is a task. After a crash it is told its
 * journal again and goes on; a turn that was journaled is never asked for, or paid for, a second time.
 */
import { commandsOf, type RetryPolicy, type WorkflowContext, type WorkflowFunction } from '../engine/index.ts'
import { AppError, messageOf } from '../platform/errors.ts'
import type { Json } from '../platform/json.ts'
import { budgetExceeded, type SpentBudget, spentBudget } from './budgets.ts'
import { askAgain, failedCall, readInput } from './conversation.ts'
import { agentErrors } from './errors.ts'
import type { ModelToolResult, ModelUsage } from './model/types.ts'
import { type AgentCall, type AgentTurn, makeTurn, type TurnOptions } from './turn.ts'
import type { AgentOutput } from './types.ts'

export interface AgentLoopOptions extends TurnOptions {
  readonly name: string
  readonly turnRetry?: RetryPolicy
}

/** Some two minutes in all: a service that is overloaded is back by then, and one that is not will not be soon. */
const TURN_RETRY: RetryPolicy = { attempts: 8, backoff: 'exponential', delay: 1000, maxDelay: '1 minute' }
/** For a model that neither answers nor ends the connection. */
const TURN_TIMEOUT = '10 minutes'
/** How often the model is told that its answer does not follow the schema. */
const MOST_REPAIRS = 2
/** Calls of one turn that are under way at a time. */
const CALLS_AT_A_TIME = 16

export const makeAgentLoop = (options: AgentLoopOptions): WorkflowFunction => {
  const { name, config, turnRetry: retry = TURN_RETRY } = options
  const takeTurn = makeTurn(options)

  return async (ctx, input): Promise<AgentOutput> => {
    const startedAtMs = ctx.now()
    const messages = readInput(input)
    const usage: ModelUsage = { inputTokens: 0, outputTokens: 0, totalTokens: 0 }
    let repairs = 0
    for (let turns = 0; ; ) {
      const used = { turns, tokens: usage.totalTokens, timeMs: ctx.now() - startedAtMs }
      const spent = spentBudget(config.budgets, used)
      if (spent) {
        tellSpent(ctx, name, spent)
        throw budgetExceeded(spent)
      }
      const turn = await ctx.step('turn', (call) => takeTurn(ctx.tenantId, messages, call), {
        retry,
        timeout: TURN_TIMEOUT,
      })
      turns++
      addUsage(usage, turn.usage)
      logTurn(ctx, turns, turn)
      const { text, toolCalls } = turn
      if (toolCalls.length > 0) {
        messages.push({ role: 'assistant', text, toolCalls: toolCalls.map(toModelCall) })
        messages.push({ role: 'tool', results: await callTools(ctx, toolCalls) })
        continue
      }
      if (!config.output) return { text, turns, usage }
      const problem = turn.outputInvalid
      if (problem === undefined) return { text, output: turn.output ?? null, turns, usage }
      if (repairs === MOST_REPAIRS) {
        throw agentErrors.agent_output_invalid(
          `the agent "${name}" gave no answer by its schema, though it was told what was wrong ${repairs} times: ${problem}`,
          { details: { text: text.slice(0, 1000) } },
        )
      }
      repairs++
      ctx.log(`the answer cannot be used: ${problem}`, { turn: turns })
      messages.push({ role: 'assistant', text }, askAgain(problem))
    }
  }
}

const addUsage = (sum: ModelUsage, more: ModelUsage): void => {
  sum.inputTokens += more.inputTokens
  sum.outputTokens += more.outputTokens
  sum.totalTokens += more.totalTokens
  if (more.cachedInputTokens) sum.cachedInputTokens = (sum.cachedInputTokens ?? 0) + more.cachedInputTokens
  if (more.estimated) sum.estimated = true
}

const logTurn = (ctx: WorkflowContext, number: number, { finishReason, usage, toolCalls }: AgentTurn): void => {
  const data = { turn: number, finishReason, ...usage }
  const tools = toolCalls.map((call) => call.name)
  if (tools.length === 0) ctx.log(`turn ${number}: answers, ${usage.totalTokens} tokens`, data)
  else ctx.log(`turn ${number}: calls ${tools.join(', ')}, ${usage.totalTokens} tokens`, { ...data, tools })
}

/** Committed with the end of the run. */
const tellSpent = (ctx: WorkflowContext, name: string, { budget, used, limit }: SpentBudget): void =>
  commandsOf(ctx).log('agent.budget_exceeded', { name, budget, used, limit })

const toModelCall = ({ kind: _, ...call }: AgentCall) => call

/** The results in the order of the calls. A call that fails is no end: the model is told, and finds another way. */
const callTools = (ctx: WorkflowContext, calls: readonly AgentCall[]): Promise<ModelToolResult[]> =>
  ctx.map(calls, (call, _, branch) => callTool(branch, call), { concurrency: CALLS_AT_A_TIME })

const callTool = async (ctx: WorkflowContext, call: AgentCall): Promise<ModelToolResult> => {
  const { id, name, kind, input } = call
  const failed = (code: string, message: string): ModelToolResult => {
    ctx.log(`the call of ${name} failed: ${message}`, { call: id, tool: name, code })
    return failedCall(call, code, message)
  }
  if (kind === undefined) return failed('tool_call_invalid', call.invalid ?? 'the call cannot be made')
  ctx.log(`calls ${name}`, { call: id, tool: name })
  try {
    return { id, name, output: await ctx.task<Json>(kind, input) }
  } catch (error) {
    // The run itself is being ended: there is nobody to tell.
    if (ctx.abortSignal.aborted) throw error
    return failed(error instanceof AppError ? error.code : 'error', messageOf(error))
  }
}
