/**
 * Finds tools by their names, fast: the executor asks for every task. Builtin tools never need the database. A version never
 * changes, so its tools are made once and kept; which version is current is believed for a short while.
 */
import { LRUCache } from 'lru-cache'
import type { Clock } from '../platform/clock.ts'
import { ifVisible, type Owner, tenantOf } from '../platform/scope.ts'
import { skillReferenceErrors } from './errors.ts'
import { modelName } from './names.ts'
import { kindOf, parseKind, parseReference, type SkillReference } from './reference.ts'
import type { SkillRepository } from './repository.ts'
import { BUILTIN_VERSION } from './skill.ts'
import type { BuiltinSkill, Tool } from './tool.ts'
import type { SkillDefinition, SkillRecord, ToolInfo } from './types.ts'

export interface CatalogOptions {
  /** Over a handle that sees every finished commit. */
  readonly skills: Pick<SkillRepository, 'skill' | 'content'>
  readonly builtins: readonly BuiltinSkill[]
  readonly compile: (definition: SkillDefinition, projectId: string | null) => readonly Tool[]
  readonly clock: Clock
  /** How long a change by another process may go unnoticed. */
  readonly cacheMs: number
  /** Skills, and versions of skills, that are kept. */
  readonly cacheMax: number
}

export interface Catalog {
  /** See `SkillService`. */
  toolHandler(owner: Owner, kind: string): Promise<Tool>
  /** See `SkillService`. */
  toolsFor(owner: Owner, references: readonly string[]): Promise<ToolInfo[]>
  /** To be called after each commit that made or changed a skill: it counts at once. */
  changed(skill: SkillRecord): void
}

type Tools = ReadonlyMap<string, Tool>

const toMap = (tools: readonly Tool[]): Tools => new Map(tools.map((tool) => [tool.name, tool]))

export const makeCatalog = ({ skills, builtins, compile, clock, cacheMs, cacheMax }: CatalogOptions): Catalog => {
  const builtinTools = new Map(builtins.map((skill) => [skill.name, toMap(skill.tools)]))
  const builtinsByKind = new Map(
    builtins.flatMap(({ name, tools }) => tools.map((tool) => [`skill:${name}/${tool.name}`, Promise.resolve(tool)])),
  )
  const current = new LRUCache<string, { readonly skill: SkillRecord; readonly readAtMs: number }>({ max: cacheMax })
  const compiled = new LRUCache<string, Promise<Tools>>({ max: cacheMax })
  let changes = 0

  const keyOf = (tenantId: string, name: string): string => `${tenantId}/${name}`

  const find = async (tenantId: string, name: string): Promise<SkillRecord | undefined> => {
    const key = keyOf(tenantId, name)
    const known = current.get(key)
    const readAtMs = clock.now()
    if (known && readAtMs - known.readAtMs < cacheMs) return known.skill
    const before = changes
    const skill = await skills.skill(tenantId, name)
    // What was read while something changed may be older than the change.
    if (skill && changes === before) current.set(key, { skill, readAtMs })
    return skill
  }

  const make = async ({ tenantId, projectId, id, name }: SkillRecord, version: number): Promise<Tools> => {
    const content = await skills.content(tenantId, id, version)
    if (!content) throw skillReferenceErrors.skill_not_found(`the skill "${name}" has no version ${version}`)
    return toMap(compile(content.definition, projectId))
  }

  const toolsOf = async (owner: Owner, { skill: name, version }: SkillReference): Promise<Tools> => {
    const builtin = builtinTools.get(name)
    if (builtin) {
      if (version === undefined || version === BUILTIN_VERSION) return builtin
      throw skillReferenceErrors.skill_not_found(`the skill "${name}" has no version ${version}`)
    }
    const skill = ifVisible(owner, await find(tenantOf(owner), name))
    if (!skill) throw skillReferenceErrors.skill_not_found(`there is no skill "${name}"`)
    if (skill.status === 'archived') {
      throw skillReferenceErrors.skill_archived(`the skill "${name}" is archived; PUT it to use it again`)
    }
    const wanted = version ?? skill.version
    const key = `${skill.id}@${wanted}`
    const known = compiled.get(key)
    if (known) return known
    const made = make(skill, wanted)
    compiled.set(key, made)
    made.catch(() => compiled.delete(key))
    return made
  }

  const toolNotFound = (skill: string, tool: string, tools: Tools): Error =>
    skillReferenceErrors.tool_not_found(
      `the skill "${skill}" has no tool "${tool}"; it has ${[...tools.keys()].join(', ')}`,
    )

  const findTool = async (owner: Owner, kind: string): Promise<Tool> => {
    const reference = parseKind(kind)
    const tools = await toolsOf(owner, reference)
    const tool = tools.get(reference.tool)
    if (!tool) throw toolNotFound(reference.skill, reference.tool, tools)
    return tool
  }

  const infosOf = async (owner: Owner, text: string): Promise<ToolInfo[]> => {
    const reference = parseReference(text)
    const { skill, tool: wanted } = reference
    const tools = await toolsOf(owner, reference)
    if (wanted !== undefined && !tools.has(wanted)) throw toolNotFound(skill, wanted, tools)
    const chosen = [...tools.values()].filter((tool) => wanted === undefined || tool.name === wanted)
    return chosen.map(({ name, description, inputSchema }) => ({
      kind: kindOf(reference, name),
      name: modelName(skill, name),
      description,
      inputSchema,
    }))
  }

  return {
    toolHandler: (owner, kind) => builtinsByKind.get(kind) ?? findTool(owner, kind),
    async toolsFor(owner, references) {
      const byName = new Map<string, ToolInfo>()
      const all = await Promise.all(references.map((text) => infosOf(owner, text)))
      for (const info of all.flat()) {
        const other = byName.get(info.name)
        if (other && other.kind !== info.kind) {
          throw skillReferenceErrors.skill_reference_invalid(
            `${other.kind} and ${info.kind} are two versions of one tool: name one of them`,
          )
        }
        byName.set(info.name, info)
      }
      return [...byName.values()]
    },
    changed(skill) {
      changes++
      current.set(keyOf(skill.tenantId, skill.name), { skill, readAtMs: clock.now() })
    },
  }
}
