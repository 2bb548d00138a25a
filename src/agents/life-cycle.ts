/** The life cycle of an agent, as one table: `draft → active ⇄ paused → draining → archived`. */
import { agentErrors } from './errors.ts'

export const AGENT_STATUSES = ['draft', 'active', 'paused', 'draining', 'archived'] as const
/** Only `active` takes new runs. `draining`: runs under way end, then it is archived by itself. */
export type AgentStatus = (typeof AGENT_STATUSES)[number]

interface MoveSpec {
  readonly from: readonly AgentStatus[]
  readonly to: AgentStatus
  /** Of the event that tells of it. */
  readonly event: string
  readonly summary: string
}

export const MOVES = {
  activate: { from: ['draft'], to: 'active', event: 'agent.activated', summary: 'Let a draft take runs' },
  pause: { from: ['active'], to: 'paused', event: 'agent.paused', summary: 'Take no new runs for now' },
  resume: { from: ['paused'], to: 'active', event: 'agent.resumed', summary: 'Take runs again' },
  drain: {
    from: ['active', 'paused'],
    to: 'draining',
    event: 'agent.draining',
    summary: 'Take no more runs; archived once those under way have ended',
  },
  archive: {
    from: ['draft', 'paused', 'draining'],
    to: 'archived',
    event: 'agent.archived',
    summary: 'End it for good; refused while runs are under way',
  },
} as const satisfies Record<string, MoveSpec>
export type AgentMove = keyof typeof MOVES

const movesFrom = (status: AgentStatus): AgentMove[] =>
  (Object.keys(MOVES) as AgentMove[]).filter((move) => allows(move, status))

const allows = (move: AgentMove, status: AgentStatus): boolean =>
  (MOVES[move].from as readonly AgentStatus[]).includes(status)

/** Throws `agent_move_not_allowed`. */
export const checkMove = (name: string, status: AgentStatus, move: AgentMove): void => {
  if (allows(move, status)) return
  const allowed = movesFrom(status)
  const what = allowed.length > 0 ? `allowed now: ${allowed.join(', ')}` : 'nothing leads out of that state'
  throw agentErrors.agent_move_not_allowed(`cannot ${move} the agent "${name}": it is ${status}; ${what}`, {
    details: { move, status, allowed },
  })
}

const WHY_NOT: Readonly<Record<Exclude<AgentStatus, 'active'>, string>> = {
  draft: 'it is a draft; activate it first',
  paused: 'it is paused; resume it first',
  draining: 'it is draining: runs under way end, no new one begins',
  archived: 'it is archived for good',
}

/** Throws `agent_not_active`, which says what to do about it. */
export const checkTakesRuns = (name: string, status: AgentStatus): void => {
  if (status === 'active') return
  throw agentErrors.agent_not_active(`the agent "${name}" takes no new runs: ${WHY_NOT[status]}`, {
    details: { status },
  })
}

/** Throws `agent_closed` for an agent that takes no new version any more. */
export const checkIsOpen = (name: string, status: AgentStatus): void => {
  if (status !== 'draining' && status !== 'archived') return
  throw agentErrors.agent_closed(`the agent "${name}" takes no new version: ${WHY_NOT[status]}`, {
    details: { status },
  })
}
