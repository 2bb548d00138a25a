/** What the `Resource` of a Task state may name, and what each means here. */
import type { Json, JsonObject } from '../platform/json.ts'

export type Resource =
  | {
      readonly kind: 'run'
      readonly runKind: 'agent' | 'workflow'
      readonly name: string
      readonly version: number | undefined
    }
  | { readonly kind: 'task'; readonly resource: string }
  | { readonly kind: 'signal'; readonly name: string }

export const RESOURCE_FORMS =
  '"agent:NAME", "skill:NAME/TOOL", "workflow:NAME" (an optional "@VERSION"), "task:HANDLER" or "signal:NAME"'

/** Undefined when the text is no resource that AIDOS has. */
export const readResource = (text: string): Resource | undefined => {
  const run = /^(agent|workflow):([^@/:]+)(?:@(\d+))?$/.exec(text)
  if (run) {
    const version = run[3] === undefined ? undefined : Number(run[3])
    return { kind: 'run', runKind: run[1] as 'agent' | 'workflow', name: run[2] as string, version }
  }
  if (/^skill:[^/]+\/[^/]+$/.test(text)) return { kind: 'task', resource: text }
  const named = /^(task|signal):(.+)$/.exec(text)
  if (!named) return undefined
  return named[1] === 'task'
    ? { kind: 'task', resource: named[2] as string }
    : { kind: 'signal', name: named[2] as string }
}

export interface UnknownResource {
  readonly state: string
  readonly location: string
  readonly resource: string
}

/** Task states whose resource is nothing that AIDOS has, anywhere in a definition. */
export const unknownResources = (machine: JsonObject, location = ''): UnknownResource[] => {
  const states = (machine.States ?? {}) as JsonObject
  return Object.entries(states).flatMap(([state, value]) => {
    const at = `${location}/States/${state.replaceAll('~', '~0').replaceAll('/', '~1')}`
    const definition = value as JsonObject
    const inner = [
      ...((definition.Branches ?? []) as Json[]).map((branch, i) => [branch, `${at}/Branches/${i}`] as const),
      [definition.ItemProcessor, `${at}/ItemProcessor`] as const,
      [definition.Iterator, `${at}/Iterator`] as const,
    ]
    const below = inner.flatMap(([branch, path]) =>
      branch && typeof branch === 'object' ? unknownResources(branch as JsonObject, path) : [],
    )
    const { Type, Resource: resource } = definition
    const isUnknown =
      Type === 'Task' && typeof resource === 'string' && readResource(plainResource(resource)) === undefined
    return isUnknown ? [{ state, location: `${at}/Resource`, resource }, ...below] : below
  })
}

/** The resource without the suffix that says how its answer is awaited. */
export const plainResource = (resource: string): string => resource.replace(/\.waitForTaskToken$/, '')
