/**
 * Definitions as code: plain frozen objects, known by their `kind` alone. Making one starts nothing; a server takes those that a
 * folder's modules export (`aidos start --load DIR`).
 */
import type { Duration, RetryPolicy, WorkflowContext, WorkflowFunction } from '../engine/index.ts'
import type { Json, JsonObject, JsonSchema } from '../platform/json.ts'
import { DefinitionError } from './errors.ts'
import { functionText } from './function-text.ts'

/**
 * Anything that follows the Standard Schema v1 (zod, valibot, arktype): the server refuses a run whose input does not fit. It
 * checks and does not change: the workflow is given the input as it came.
 */
export interface InputSchema<I = unknown> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    validate(value: unknown): InputResult | Promise<InputResult>
    readonly types?: { readonly input: I; readonly output: unknown } | undefined
  }
}

type InputResult =
  | { readonly value: unknown; readonly issues?: undefined }
  | {
      readonly issues: readonly {
        readonly message: string
        readonly path?: readonly (PropertyKey | { key: PropertyKey })[] | undefined
      }[]
    }

export interface WorkflowDefinition {
  readonly kind: 'workflow'
  readonly name: string
  /** Runs stay on the version they began with: raise it when the order of steps changes. */
  readonly version: number
  readonly run: WorkflowFunction
  readonly input: InputSchema | undefined
}

/** What a task's code is told about the attempt that it serves. */
export interface TaskCall {
  readonly taskId: string
  readonly tenantId: string
  /** 1 on the first try. */
  readonly attempt: number
  /** The same on every attempt: pass it on, so that a repeated effect is recognised. */
  readonly idempotencyKey: string
  /** Aborted on time-out, cancellation and shutdown. */
  readonly signal: AbortSignal
  /** Says that the attempt is alive, and how far it is. */
  heartbeat(progress?: Json): void
}

export interface TaskDefinition {
  readonly kind: 'task'
  readonly name: string
  readonly run: (input: Json, call: TaskCall) => Promise<Json>
  /** What holds where the caller says nothing. */
  readonly options: { readonly retry?: RetryPolicy; readonly timeout?: Duration }
}

export interface FunctionTool {
  readonly name: string
  /** For people and for models: what it does and when to use it. */
  readonly description: string
  readonly inputSchema: JsonSchema
}

export interface FunctionSkillDefinition {
  readonly kind: 'skill'
  readonly name: string
  readonly description: string
  readonly skillKind: 'function'
  readonly definition: {
    /** One module; each tool is one of its exports. */
    readonly source: string
    readonly tools: readonly (FunctionTool & { readonly entry: string })[]
  }
}

export interface AgentDefinition {
  readonly kind: 'agent'
  readonly name: string
  readonly config: JsonObject
}

export type Definition = WorkflowDefinition | TaskDefinition | FunctionSkillDefinition | AgentDefinition

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9._-]{0,99}$/

const checkName = (what: string, name: string): void => {
  if (typeof name === 'string' && NAME.test(name)) return
  throw new DefinitionError(
    `${JSON.stringify(name)} cannot be the name of a ${what}: 1 to 100 letters, digits, dots, dashes or underscores, the first a letter or digit`,
  )
}

const checkFunction = (what: string, value: unknown): void => {
  if (typeof value !== 'function') throw new DefinitionError(`${what} needs a function, was ${typeof value}`)
}

/** A durable workflow. Its function must learn of the world through `ctx` alone, so that a replay takes the same way. */
export const workflow = <I = Json>(
  name: string,
  run: (ctx: WorkflowContext, input: I) => unknown,
  options: { readonly version?: number; readonly input?: InputSchema<I> } = {},
): WorkflowDefinition => {
  checkName('workflow', name)
  checkFunction(`the workflow "${name}"`, run)
  const { version = 1, input } = options
  if (!Number.isInteger(version) || version < 1) {
    throw new DefinitionError(`the workflow "${name}" has the version ${version}; allowed: a whole number from 1`)
  }
  return Object.freeze({ kind: 'workflow', name, version, run: run as WorkflowFunction, input })
}

/** Code for the executor pool, called by `ctx.task(name, input)` or made as a task over the API. It may run more than once. */
export const task = <I = Json>(
  name: string,
  run: (input: I, call: TaskCall) => unknown,
  options: TaskDefinition['options'] = {},
): TaskDefinition => {
  checkName('task', name)
  checkFunction(`the task "${name}"`, run)
  // Whatever is returned becomes JSON at the edge; nothing returned is null.
  const asJson = async (input: Json, call: TaskCall): Promise<Json> => ((await run(input as I, call)) ?? null) as Json
  return Object.freeze({ kind: 'task', name, run: asJson, options: Object.freeze({ ...options }) })
}

/**
 * A skill whose tools run in a sandbox: plain ECMAScript without I/O, timers or imports. `run` travels as text, so it must stand
 * by itself: it sees its input and nothing that surrounds it.
 */
export const functionSkill = (skill: {
  readonly name: string
  readonly description: string
  // biome-ignore lint/complexity/noBannedTypes: the function is read as text and never called here, so its shape does not matter.
  readonly tools: readonly (FunctionTool & { readonly run: Function | string })[]
}): FunctionSkillDefinition => {
  const { name, description } = skill
  checkName('skill', name)
  if (skill.tools.length === 0) throw new DefinitionError(`the skill "${name}" has no tools`)
  const entryOf = (index: number): string => `tool${index + 1}`
  const source = skill.tools.map((tool, i) => `export const ${entryOf(i)} = ${functionText(tool.run)}\n`).join('\n')
  const tools = skill.tools.map(({ name: toolName, description: about, inputSchema }, i) => {
    checkName('tool', toolName)
    return Object.freeze({ name: toolName, description: about, inputSchema, entry: entryOf(i) })
  })
  const definition = Object.freeze({ source, tools: Object.freeze(tools) })
  return Object.freeze({ kind: 'skill', name, description, skillKind: 'function', definition })
}

/** An agent; `config` is what `POST /v1/agents` takes. */
export const agent = ({ name, config }: { readonly name: string; readonly config: object }): AgentDefinition => {
  checkName('agent', name)
  return Object.freeze({ kind: 'agent', name, config: config as JsonObject })
}
