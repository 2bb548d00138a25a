/** Where the engine finds the functions of runs: implemented by the domains that own workflows and agents. */
import type { Json } from '../platform/json.ts'
import type { Run, RunKind, WorkflowFunction } from './types.ts'

export interface ProgramRequest {
  readonly tenantId: string
  readonly kind: RunKind
  readonly target: string
  readonly version: number | undefined
  readonly input: Json
  /** The run that wants it as its child. */
  readonly parent?: Run | undefined
}

export interface ProgramSource {
  /** The version that a new run takes. Throws when the target does not exist, takes no runs now, or refuses the input. */
  locate(request: ProgramRequest): Promise<{ readonly version: number }>
  /** The function of a run's version; undefined when its code is not loaded in this process. */
  load(run: Run): Promise<WorkflowFunction | undefined>
}
