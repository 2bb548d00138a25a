/** The words of agents. */
import type { Json } from '../platform/json.ts'
import type { SkillService } from '../skills/index.ts'
import type { AgentConfig } from './config.ts'
import type { AgentStatus } from './life-cycle.ts'
import type { ModelUsage } from './model/types.ts'

export interface AgentSummary {
  readonly id: string
  readonly tenantId: string
  readonly projectId: string | null
  readonly name: string
  /** What the owner sorts agents by; no meaning of its own. */
  readonly type: string
  readonly status: AgentStatus
  /** The one that new runs take. */
  readonly latestVersion: number
  readonly createdAtMs: number
  readonly updatedAtMs: number
}

/** An agent as one of its versions has it. A version never changes. */
export interface Agent extends AgentSummary {
  readonly version: number
  readonly config: AgentConfig
}

/** The output of an agent's run. */
export type AgentOutput = {
  /** The last answer of the model. */
  text: string
  /** The answer by the agent's schema, where it has one. */
  output?: Json
  turns: number
  usage: ModelUsage
}

/** What agents need of the skills: the tools that references stand for; an error names the one that is not there. */
export type SkillTools = Pick<SkillService, 'toolsFor'>
