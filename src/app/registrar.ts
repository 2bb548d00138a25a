/** Registers what a loaded folder defines: code in this process, the rest in the database, as the tenant's own. */
import type { AgentService, NewAgent } from '../agents/index.ts'
import type { Engine } from '../engine/index.ts'
import { isOutage } from '../platform/db/errors.ts'
import { AppError, type Finding, messageOf } from '../platform/errors.ts'
import type { Json } from '../platform/json.ts'
import type { InputSchema } from '../sdk/index.ts'
import type { SkillService } from '../skills/index.ts'
import type { CodeHandlers } from '../tasks/index.ts'
import type { WorkflowService } from '../workflows/index.ts'
import { type LoadedItem, loaderErrors } from './loader.ts'

export interface RegistrarOptions {
  readonly tenantId: string
  readonly workflows: WorkflowService
  readonly agents: AgentService
  readonly skills: SkillService
  readonly code: CodeHandlers
  readonly engine: Engine
}

/** One line per thing: `workflow "refund" version 1 (refund.ts)`. */
export type Registered = readonly string[]

type Path = readonly (PropertyKey | { key: PropertyKey })[]

const keysOf = (path: Path = []): PropertyKey[] => path.map((part) => (typeof part === 'object' ? part.key : part))

const valueAt = (input: Json, keys: readonly PropertyKey[]): unknown =>
  keys.reduce<unknown>((value, key) => (value as Record<PropertyKey, unknown> | null | undefined)?.[key], input)

const checkBy =
  (schema: InputSchema) =>
  async (input: Json): Promise<Finding[]> => {
    const result = await schema['~standard'].validate(input)
    return (result.issues ?? []).map(({ path, message }) => {
      const keys = keysOf(path)
      return { path: ['input', ...keys.map(String)].join('.'), message, given: valueAt(input, keys) ?? null }
    })
  }

const TRIES = 5

// Skills before the agents that use them, agents before the workflows that run them.
const ORDER = ['task', 'skill', 'agent', 'workflow', 'asl']

export const registerAll = async (items: readonly LoadedItem[], options: RegistrarOptions): Promise<Registered> => {
  const { tenantId, workflows, agents, skills, code, engine } = options

  const register = async ({ definition }: LoadedItem): Promise<string> => {
    const { name } = definition
    switch (definition.kind) {
      case 'task':
        code.register(name, definition.run, definition.options)
        return `task "${name}"`
      case 'skill': {
        const { skillKind: kind, description, definition: body } = definition
        const skill = await skills.put(tenantId, { name, kind, description, definition: body })
        return `skill "${name}" version ${skill.version}`
      }
      case 'agent': {
        const agent = await agents.put(tenantId, { name, config: definition.config as unknown as NewAgent['config'] })
        return `agent "${name}" version ${agent.version}`
      }
      case 'workflow': {
        const { version, run: fn, input } = definition
        workflows.register({ name, version, fn, ...(input ? { checkInput: checkBy(input) } : {}) })
        await engine.programLoaded(name, version)
        return `workflow "${name}" version ${version}`
      }
      case 'asl': {
        const { text, format } = definition
        const { workflow } = await workflows.put({ tenantId, projectId: null, name, definition: text, format })
        return `workflow "${name}" version ${workflow.version}`
      }
    }
  }

  /** Processes that start at once register the same: who comes second is refused, looks again, and finds it done. */
  const registerOnce = async (item: LoadedItem, tries = 1): Promise<string> => {
    try {
      return await register(item)
    } catch (error) {
      const isConflict = error instanceof AppError && error.status === 409
      if (!isConflict || tries === TRIES) throw error
      return registerOnce(item, tries + 1)
    }
  }

  const lines: string[] = []
  for (const kind of ORDER) {
    for (const item of items.filter(({ definition }) => definition.kind === kind)) {
      try {
        lines.push(`${await registerOnce(item)} (${item.file})`)
      } catch (cause) {
        // No fault of the file's.
        if (isOutage(cause)) throw cause
        const findings = cause instanceof AppError ? cause.findings : undefined
        throw loaderErrors.file_not_loaded(`${item.file}: ${messageOf(cause)}`, {
          cause,
          ...(findings ? { findings } : {}),
        })
      }
    }
  }
  return lines
}
