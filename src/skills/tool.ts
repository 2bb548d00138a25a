/** What a tool is: one callable of a skill, whatever stands behind it (code of this process, a sandbox, an HTTP service). */
import { defineErrors } from '../platform/errors.ts'
import type { Json, JsonSchema } from '../platform/json.ts'

/** What a tool is told about the attempt that it serves. */
export interface ToolCall {
  /** Aborted when the task is cancelled, its time is up or its lease is lost; a tool stops its work then. */
  readonly signal: AbortSignal
  /** The same on every attempt at the same task: handed on to whatever can tell a repetition by it. */
  readonly idempotencyKey: string
  readonly tenantId: string
  /** Of the task; null: all of the tenant. */
  readonly projectId: string | null
  /** 1 on the first try. */
  readonly attempt: number
  /** Tells that the work goes on, with how far it is. */
  heartbeat(progress?: Json): void
}

export interface Tool {
  /** Unique within its skill. */
  readonly name: string
  /** For people and for models: what it does and when to use it. */
  readonly description: string
  readonly inputSchema: JsonSchema
  /** Rejects with an `AppError`; its `retryable` says whether the same call may succeed later. */
  run(input: Json, call: ToolCall): Promise<Json>
}

export interface BuiltinSkill {
  readonly name: string
  readonly description: string
  readonly tools: readonly Tool[]
}

export const toolErrors = defineErrors({
  /** The input does not fit the tool's schema; `findings` name each field. */
  tool_input_invalid: { status: 422 },
  /** The schema itself is not one. */
  tool_schema_invalid: { status: 400 },
  /** A declaration of a tool is wrong: a name, a template, an expression. */
  tool_invalid: { status: 400 },
  /** The tool did not do it, and trying again would not help. */
  tool_failed: { status: 422 },
  /** The tool did not do it this time. */
  tool_failed_retryable: { status: 503, retryable: true },
})
