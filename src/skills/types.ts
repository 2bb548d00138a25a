/** The words of skills. */
import type { CreatedCursor } from '../platform/http/page.ts'
import type { JsonSchema } from '../platform/json.ts'
import type { Headers, HttpToolSpec } from './http-tool.ts'

/** The kinds that a tenant can make. */
export const OWN_KINDS = ['http', 'function'] as const
export type OwnKind = (typeof OWN_KINDS)[number]

/** `builtin`: comes with the system, the same for every tenant. */
export const SKILL_KINDS = ['builtin', ...OWN_KINDS] as const
export type SkillKind = (typeof SKILL_KINDS)[number]

export const SKILL_STATUSES = ['active', 'archived'] as const
/** `archived`: no new use of any version. */
export type SkillStatus = (typeof SKILL_STATUSES)[number]

/** Tools that are calls of an HTTP service. */
export interface HttpDefinition {
  /** Put before the URL of every tool that begins with `/`. */
  readonly baseUrl?: string
  /** Of every tool; a tool's own of the same name win. Templates and secrets, like a tool's. */
  readonly headers?: Headers
  /** Of every tool that has none of its own. */
  readonly timeoutMs?: number
  readonly tools: readonly HttpToolSpec[]
}

export interface FunctionToolSpec {
  readonly name: string
  readonly description: string
  /** Of an object; any object goes if left out. */
  readonly inputSchema?: JsonSchema
  /** The function in the source (`default`: the default export); the tool's name if left out. */
  readonly entry?: string
}

export interface FunctionLimits {
  readonly timeoutMs?: number
  readonly memoryBytes?: number
}

/** Tools that are functions of one JavaScript source, run in the sandbox. */
export interface FunctionDefinition {
  readonly source: string
  readonly tools: readonly FunctionToolSpec[]
  readonly limits?: FunctionLimits
}

export type SkillDefinition = HttpDefinition | FunctionDefinition

/** A skill without what is large. `version` is the current one. */
export interface SkillSummary {
  readonly id: string
  readonly projectId: string | null
  readonly name: string
  readonly kind: SkillKind
  readonly status: SkillStatus
  readonly version: number
  readonly description: string
  /** 0 for a builtin. */
  readonly createdAtMs: number
  readonly updatedAtMs: number
}

/** One version of a skill. A version never changes. */
export interface Skill extends SkillSummary {
  /** null for a builtin. */
  readonly definition: SkillDefinition | null
  readonly tools: readonly ToolSummary[]
}

export interface ToolSummary {
  readonly name: string
  readonly description: string
  readonly inputSchema: JsonSchema
}

/** A tool as an agent gets it. */
export interface ToolInfo extends ToolSummary {
  /** The kind of a task that calls it: `skill:NAME/TOOL`, with `@VERSION` where the reference had one. */
  readonly kind: string
  /** `NAME__TOOL`: letters, digits, `_` and `-`, at most 64 of them, as every model API takes it. */
  readonly name: string
}

/** A skill as the database has it. */
export interface SkillRecord {
  readonly id: string
  readonly tenantId: string
  readonly projectId: string | null
  readonly name: string
  readonly kind: OwnKind
  readonly status: SkillStatus
  readonly version: number
  readonly createdAtMs: number
  readonly updatedAtMs: number
}

/** What a version holds. */
export interface SkillContent {
  readonly description: string
  readonly definition: SkillDefinition
}

export interface SkillVersionRequest {
  /** As before if left out; none for a new skill. */
  readonly description?: string | undefined
  /** A `SkillDefinition`; it is checked, whatever it is. */
  readonly definition: unknown
}

export interface NewSkill extends SkillVersionRequest {
  readonly name: string
  readonly kind: OwnKind
}

export interface SkillListFilter {
  readonly kind?: SkillKind | undefined
  readonly status?: SkillStatus | undefined
  readonly after?: CreatedCursor | undefined
  readonly limit: number
}
