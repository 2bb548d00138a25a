/** How a state is left. */
import type { Json, JsonObject } from '../../platform/json.ts'

/** Without `next` the branch ends with the output. */
export interface Exit {
  readonly output: Json
  readonly assigned?: JsonObject | undefined
  readonly next?: string | undefined
}
