/** The words of workflows. */
import type { WorkflowFunction } from '../engine/index.ts'
import type { JsonObject, JsonSchema } from '../platform/json.ts'

export type WorkflowKind = 'asl' | 'typescript'

export interface Workflow {
  readonly id: string
  readonly tenantId: string
  readonly projectId: string | null
  readonly name: string
  readonly kind: WorkflowKind
  readonly status: 'active' | 'archived'
  /** The version that new runs take. */
  readonly version: number
  readonly createdAtMs: number
  readonly updatedAtMs: number
}

/** A workflow written in TypeScript, registered when its folder was loaded. It serves all tenants of the process. */
export interface CodeWorkflow {
  readonly name: string
  readonly version: number
  readonly fn: WorkflowFunction
  /** JSON Schema that the input must fit. */
  readonly input?: JsonSchema
}

export interface NewWorkflow {
  readonly tenantId: string
  readonly projectId: string | null
  readonly name: string
  readonly definition: JsonObject | string
  readonly format?: 'json' | 'yaml' | undefined
}

export type { JsonObject }
