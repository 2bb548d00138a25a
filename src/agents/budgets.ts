/** What a run of an agent may use up, checked before every turn. */
import { parseDuration } from '../engine/index.ts'
import type { AppError } from '../platform/errors.ts'
import type { AgentConfig } from './config.ts'
import { agentErrors } from './errors.ts'

export interface Used {
  readonly turns: number
  readonly tokens: number
  readonly timeMs: number
}

/** A budget that leaves no room for another turn. */
export interface SpentBudget {
  readonly budget: keyof AgentConfig['budgets']
  readonly used: number
  readonly limit: number
  readonly unit: string
}

/** The first budget that is used up, if one is. */
export const spentBudget = (
  { turns, tokens, wallTime }: AgentConfig['budgets'],
  used: Used,
): SpentBudget | undefined => {
  const budgets: SpentBudget[] = [{ budget: 'turns', used: used.turns, limit: turns, unit: 'turns' }]
  if (tokens !== undefined) budgets.push({ budget: 'tokens', used: used.tokens, limit: tokens, unit: 'tokens' })
  if (wallTime !== undefined)
    budgets.push({ budget: 'wallTime', used: used.timeMs, limit: parseDuration(wallTime), unit: 'ms' })
  return budgets.find((one) => one.used >= one.limit)
}

export const budgetExceeded = ({ budget, used, limit, unit }: SpentBudget): AppError =>
  agentErrors.agent_budget_exceeded(
    `the agent's budget "${budget}" is used up before it came to an answer: ${used} of ${limit} ${unit}`,
    { details: { budget, used, limit } },
  )
