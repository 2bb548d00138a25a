/** What the `Resource` of a Task state may name, and what each means here. */
import type { Json, JsonObject } from '../platform/json.ts'
import { TOKEN_KIND } from '../tasks/index.ts'
import { INPUT_TYPES, READ_RESOURCES, WRITE_RESOURCES } from './map-store.ts'

/** ARNs, or their beginnings followed by `*`, and the resource that each stands for; a `*` there takes over the rest. */
export type Bindings = Readonly<Record<string, string>>

/** Service integrations whose parameters and answers are those of the service. */
export type Integration = 'lambda' | 'startExecution' | 'startExecution.sync' | 'startExecution.sync:2' | 'http'

export type Resource =
  | {
      readonly kind: 'run'
      readonly runKind: 'agent' | 'workflow'
      readonly name: string
      readonly version: number | undefined
    }
  /** A skill's tool, a task handler or an activity. */
  | { readonly kind: 'task'; readonly resource: string }
  | { readonly kind: 'signal'; readonly name: string }
  | { readonly kind: 'integration'; readonly integration: Integration }

export const RESOURCE_FORMS =
  '"agent:NAME", "skill:NAME/TOOL", "workflow:NAME" (an optional "@VERSION"), "task:HANDLER", "activity:NAME", "signal:NAME", ' +
  '"http:invoke", the ARNs of lambda:invoke, http:invoke, states:startExecution, .sync, .sync:2 and of activities, or what is bound'

const INTEGRATIONS: Readonly<Record<string, Integration>> = {
  'lambda:invoke': 'lambda',
  'http:invoke': 'http',
  'states:startExecution.sync': 'startExecution.sync',
  'states:startExecution.sync:2': 'startExecution.sync:2',
  'states:startExecution': 'startExecution',
}
const WAITS_FOR_TOKEN = '.waitForTaskToken'

/** Undefined when the text is no resource that AIDOS has. */
export const readResource = (text: string, bindings: Bindings): Resource | undefined => {
  const waits = text.endsWith(WAITS_FOR_TOKEN)
  const plain = waits ? text.slice(0, -WAITS_FOR_TOKEN.length) : text
  const resource = readPlain(findBound(plain, bindings) ?? plain)
  if (!resource) return undefined
  // A signal has an answer of its own.
  if (waits && resource.kind === 'signal') return undefined
  // With a token a failure of what was started is told at once.
  const isStart = resource.kind === 'integration' && resource.integration === 'startExecution'
  return waits && isStart ? { kind: 'integration', integration: 'startExecution.sync:2' } : resource
}

const readPlain = (text: string): Resource | undefined => {
  const run = /^(agent|workflow):([^@/:]+)(?:@(\d+))?$/.exec(text)
  if (run) {
    const version = run[3] === undefined ? undefined : Number(run[3])
    return { kind: 'run', runKind: run[1] as 'agent' | 'workflow', name: run[2] as string, version }
  }
  if (/^skill:[^/]+\/[^/]+$/.test(text)) return { kind: 'task', resource: text }
  const activity = /^(?:arn:[^:]*:states:[^:]*:[^:]*:)?activity:([a-zA-Z0-9][a-zA-Z0-9._-]{0,99})$/.exec(text)
  if (activity) return { kind: 'task', resource: `activity:${activity[1]}` }
  const service = /^(?:arn:[^:]*:states:::(.+)|(http:invoke))$/.exec(text)
  const integration = INTEGRATIONS[service?.[1] ?? service?.[2] ?? '']
  if (integration) return { kind: 'integration', integration }
  const named = /^(task|signal):(.+)$/.exec(text)
  // The tasks of that kind are the ones that wait with a token; no handler takes them.
  if (!named || text === `task:${TOKEN_KIND}`) return undefined
  return named[1] === 'task'
    ? { kind: 'task', resource: named[2] as string }
    : { kind: 'signal', name: named[2] as string }
}

/** What is bound to a text: to all of it, or to its longest beginning that ends in `*`. */
const findBound = (text: string, bindings: Bindings): string | undefined => {
  if (Object.hasOwn(bindings, text)) return bindings[text]
  const [prefix] = Object.keys(bindings)
    .filter((key) => key.endsWith('*') && text.startsWith(key.slice(0, -1)))
    .toSorted((a, b) => b.length - a.length)
  if (prefix === undefined) return undefined
  return bindings[prefix]?.replace('*', text.slice(prefix.length - 1))
}

/** The resource that a function's name or ARN stands for, with or without its version or alias. */
export const readFunction = (name: string, bindings: Bindings): Resource | undefined => {
  const arn = /^(arn:[^:]*:lambda:[^:]*:[^:]*:function:)?([^:]+)(:[^:]+)?$/.exec(name)
  if (Object.hasOwn(bindings, name)) return readResource(bindings[name] as string, {})
  const names = arn ? [`${arn[1] ?? ''}${arn[2]}`, arn[2] as string] : [name]
  for (const each of names) {
    const found = findBound(each, bindings)
    if (found !== undefined) return readResource(found, {})
  }
  return undefined
}

/** The workflow that a state machine's name or ARN means: the one of that name, unless another is bound to it. */
export const readStateMachine = (arn: string, bindings: Bindings): Resource | undefined => {
  const found = findBound(arn, bindings)
  if (found !== undefined) return readResource(found, {})
  const named = /^(?:arn:[^:]*:states:[^:]*:[^:]*:stateMachine:)?([^:]+)(?::[^:]+)?$/.exec(arn)
  return named ? readResource(`workflow:${named[1]}`, {}) : undefined
}

export interface UnknownResource {
  readonly state: string
  readonly location: string
  readonly resource: string
  /** What could stand there instead. */
  readonly allowed: string
}

/** Resources, and forms of items, that are nothing that AIDOS has, anywhere in a definition. */
export const unknownResources = (machine: JsonObject, bindings: Bindings, location = ''): UnknownResource[] => {
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
      branch && typeof branch === 'object' ? unknownResources(branch as JsonObject, bindings, path) : [],
    )
    return [...unknownHere(state, definition, bindings, at), ...below]
  })
}

const unknownHere = (state: string, definition: JsonObject, bindings: Bindings, at: string): UnknownResource[] => {
  const { Type, Resource: resource } = definition
  if (Type === 'Map') return unknownOfMap(state, definition, at)
  if (Type !== 'Task' || typeof resource !== 'string') return []
  const allowed = RESOURCE_FORMS
  const found = readResource(resource, bindings)
  if (!found) return [{ state, location: `${at}/Resource`, resource, allowed }]
  if (found.kind !== 'integration' || found.integration !== 'lambda') return []
  // A function that is named by an expression is looked for when the state is reached.
  const field = definition.Arguments === undefined ? 'Parameters' : 'Arguments'
  const name = (definition[field] as JsonObject | undefined)?.FunctionName
  if (typeof name !== 'string' || name.startsWith('{%') || readFunction(name, bindings)) return []
  return [{ state, location: `${at}/${field}/FunctionName`, resource: name, allowed }]
}

const unknownOfMap = (state: string, definition: JsonObject, at: string): UnknownResource[] => {
  const fields = [
    ['ItemReader/Resource', READ_RESOURCES],
    ['ItemReader/ReaderConfig/InputType', INPUT_TYPES],
    ['ResultWriter/Resource', WRITE_RESOURCES],
  ] as const
  return fields.flatMap(([field, known]) => {
    const resource = field.split('/').reduce<Json | undefined>(fieldOf, definition)
    if (typeof resource !== 'string' || known.includes(resource)) return []
    return [{ state, location: `${at}/${field}`, resource, allowed: known.join(', ') }]
  })
}

const fieldOf = (value: Json | undefined, name: string): Json | undefined =>
  value && typeof value === 'object' && !Array.isArray(value) ? (value as JsonObject)[name] : undefined
