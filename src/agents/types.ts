/** The words of agents. */
import type { Json, JsonSchema } from '../platform/json.ts'
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

/** A tool as an agent's model is offered it. */
export interface ToolInfo {
  /** The task that calls it: `skill:NAME/TOOL`. */
  readonly kind: string
  /** As models can write it: `NAME__TOOL`. */
  readonly name: string
  readonly description: string
  readonly inputSchema: JsonSchema
}

/** What agents need of the skills. */
export interface SkillTools {
  /** The tools that `refs` (`NAME`, `NAME@VERSION`, `NAME/TOOL`) stand for. Throws an error that names the one it cannot find. */
  toolsFor(tenantId: string, refs: readonly string[]): Promise<readonly ToolInfo[]>
}
