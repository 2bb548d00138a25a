/** Where the engine finds the functions of runs: implemented by the domains that own workflows and agents. */
import type { Json } from '../platform/json.ts'
import type { Run, RunKind, WorkflowFunction } from './types.ts'

export interface ProgramRequest {
  readonly tenantId: string
  /** Of whoever starts the run: what another project has is not found. */
  readonly projectId: string | null
  readonly kind: RunKind
  readonly target: string
  readonly version: number | undefined
  readonly input: Json
  /** The run that wants it as its child. */
  readonly parent?: Run | undefined
}

export interface Located {
  readonly version: number
  /** Of the target. A run that nobody of a project started belongs there. */
  readonly projectId: string | null
}

export interface ProgramSource {
  /** The version that a new run takes. Throws when the target does not exist, takes no runs now, or refuses the input. */
  locate(request: ProgramRequest): Promise<Located>
  /** The function of a run's version; undefined when its code is not loaded in this process. */
  load(run: Run): Promise<WorkflowFunction | undefined>
}
