/** The words of workflows. */
import type { WorkflowFunction } from '../engine/index.ts'
import type { Finding } from '../platform/errors.ts'
import type { Json, JsonObject } from '../platform/json.ts'

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
  /** What is wrong with an input; nothing when it fits. */
  readonly checkInput?: (input: Json) => Promise<readonly Finding[]>
}

export interface NewWorkflow {
  readonly tenantId: string
  readonly projectId: string | null
  readonly name: string
  readonly definition: JsonObject | string
  readonly format?: 'json' | 'yaml' | undefined
  /** May refuse the change by throwing; told what is there, undefined where nothing is. */
  readonly check?: ((current: Workflow | undefined) => void) | undefined
}
