/** Where a branch of a run stands: its name, its variables, the item it works on, and whether it still has to go on. */
import type { Json, JsonObject } from '../platform/json.ts'
import { keyPart } from './values.ts'

export interface Scope {
  /** '' for the run itself, `ForEach[3]` for an iteration, `Both[0]/Inner[2]` deeper down. */
  readonly path: string
  readonly parent: Scope | undefined
  /** Aborted when a sibling failed or the run ended. */
  readonly signal: AbortSignal | undefined
  /** `Map` of the context object, inside an iteration. */
  readonly mapContext: JsonObject | undefined
  /** What differs in `Execution` of the context object, inside a child of a distributed Map. */
  readonly execution: JsonObject | undefined
  /** The value of a variable, from the innermost scope that has it. */
  variable(name: string): Json | undefined
  assign(values: JsonObject): void
  /** All values that a branch here sees or hides: its own variables and those of the scopes around it. */
  values(): Json[]
  /** Names the next call that a state makes to the host; the same on replay. */
  nextKey(state: string, purpose?: string): string
}

export interface ScopeOptions {
  readonly path: string
  readonly parent?: Scope | undefined
  readonly signal?: AbortSignal | undefined
  readonly mapContext?: JsonObject | undefined
  readonly execution?: JsonObject | undefined
}

export const makeScope = ({ path, parent, signal, mapContext, execution }: ScopeOptions): Scope => {
  // Made when first needed: most iterations of a Map assign nothing and call the host once or twice.
  let own: Map<string, Json> | undefined
  let calls: Map<string, number> | undefined
  const prefix = path === '' ? '' : `${path}/`
  return {
    path,
    parent,
    signal,
    mapContext: mapContext ?? parent?.mapContext,
    execution: execution ?? parent?.execution,
    variable(name) {
      const value = own?.get(name)
      return value === undefined ? parent?.variable(name) : value
    },
    assign(values) {
      own ??= new Map()
      for (const name of Object.keys(values)) own.set(name, values[name]!)
    },
    values: () => [...(own?.values() ?? []), ...(parent?.values() ?? [])],
    nextKey(state, purpose = '') {
      const name = purpose === '' ? keyPart(state) : `${keyPart(state)}:${purpose}`
      calls ??= new Map()
      const count = (calls.get(name) ?? 0) + 1
      calls.set(name, count)
      return count === 1 ? `${prefix}${name}` : `${prefix}${name}#${count}`
    },
  }
}
