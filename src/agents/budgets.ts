/** What a run of an agent may use up, checked before every turn. */
import { parseDuration } from '../engine/index.ts'
import type { AgentConfig } from './config.ts'
import { agentErrors } from './errors.ts'

export interface Used {
  readonly turns: number
  readonly tokens: number
  readonly timeMs: number
}

interface Budget {
  readonly budget: keyof AgentConfig['budgets']
  readonly used: number
  readonly limit: number
  readonly unit: string
}

/** Throws `agent_budget_exceeded`, which names the first budget that leaves no room for another turn. */
export const checkBudgets = ({ turns, tokens, wallTime }: AgentConfig['budgets'], used: Used): void => {
  const budgets: Budget[] = [{ budget: 'turns', used: used.turns, limit: turns, unit: 'turns' }]
  if (tokens !== undefined) budgets.push({ budget: 'tokens', used: used.tokens, limit: tokens, unit: 'tokens' })
  if (wallTime !== undefined)
    budgets.push({ budget: 'wallTime', used: used.timeMs, limit: parseDuration(wallTime), unit: 'ms' })
  const spent = budgets.find((one) => one.used >= one.limit)
  if (!spent) return
  const { budget, limit, unit } = spent
  throw agentErrors.agent_budget_exceeded(
    `the agent's budget "${budget}" is used up before it came to an answer: ${spent.used} of ${limit} ${unit}`,
    { details: { budget, used: spent.used, limit } },
  )
}
