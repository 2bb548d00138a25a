/** The registry of skills: made, changed by further versions, archived; and their tools, found by name. */
import { isDeepStrictEqual } from 'node:util'
import type { Clock } from '../platform/clock.ts'
import type { Database } from '../platform/db/database.ts'
import { isUniqueViolation } from '../platform/db/errors.ts'
import { writeEvent } from '../platform/events/write.ts'
import type { CreatedCursor } from '../platform/http/page.ts'
import type { MakeId } from '../platform/ids.ts'
import type { Outbound } from '../platform/outbound/outbound.ts'
import type { Owner } from '../platform/scope.ts'
import type { RevealSecret } from '../secrets/index.ts'
import { makeTemplateCompiler } from './builtin/template.ts'
import { type Catalog, makeCatalog } from './catalog.ts'
import { makeDefinitionCheck } from './check.ts'
import { compileTools } from './compile.ts'
import { checkContent, checkNewName, readContent } from './content.ts'
import { skillErrors } from './errors.ts'
import { makeSkillRepository } from './repository.ts'
import type { Sandbox } from './sandbox/sandbox.ts'
import { BUILTIN_VERSION, eventOf, toBuiltin, toSkill, toSummary } from './skill.ts'
import type { BuiltinSkill } from './tool.ts'
import { makeSchemaCompiler } from './tool-input.ts'
import type {
  NewSkill,
  Skill,
  SkillContent,
  SkillDefinition,
  SkillListFilter,
  SkillRecord,
  SkillSummary,
  SkillVersionRequest,
} from './types.ts'

export interface SkillServiceOptions {
  readonly db: Database
  readonly clock: Clock
  readonly makeId: MakeId
  readonly sandbox: Sandbox
  readonly outbound: Outbound
  readonly revealSecret: RevealSecret
  readonly builtins: readonly BuiltinSkill[]
  /** Of what a function returns, as JSON. */
  readonly maxOutputBytes: number
  /** How long a change by another process may go unnoticed. */
  readonly cacheMs: number
  /** Skills, and versions of skills, whose tools are kept ready. */
  readonly cacheMax: number
}

export interface SkillService {
  /** Makes version 1. Throws `skill_invalid`, `skill_exists`. */
  create(tenantId: string, projectId: string | null, request: NewSkill): Promise<Skill>
  /**
   * Adds the next version, or answers with the current one when nothing differs. An archived skill is in use again then.
   * Throws `skill_invalid`, `skill_not_found`, `skill_builtin`.
   */
  addVersion(
    owner: Owner,
    name: string,
    request: SkillVersionRequest,
    check?: (current: SkillRecord) => void,
  ): Promise<Skill>
  /** Makes it or adds a version: for what is loaded again and again. Throws like both, and `skill_kind_fixed`. */
  put(tenantId: string, request: NewSkill): Promise<Skill>
  /** No version of it is used for anything new; attempts under way go on. Throws `skill_not_found`, `skill_builtin`. */
  archive(owner: Owner, name: string, check?: (current: SkillRecord) => void): Promise<Skill>
  /** The current version if none is named. Throws `skill_not_found`. */
  find(owner: Owner, name: string, version?: number): Promise<Skill>
  /** Newest first, then the builtin ones. */
  list(owner: Owner, filter: SkillListFilter): Promise<SkillSummary[]>
  /**
   * The tools an agent may use. References are `NAME`, `NAME@VERSION`, `NAME/TOOL` or `NAME@VERSION/TOOL`.
   * Throws `skillReferenceErrors`, which name the reference.
   */
  toolsFor: Catalog['toolsFor']
  /** The code of a task kind: `skill:NAME/TOOL` or `skill:NAME@VERSION/TOOL`. Throws `skillReferenceErrors`. */
  toolHandler: Catalog['toolHandler']
}

const MOST_TRIES = 5

export const makeSkillService = (options: SkillServiceOptions): SkillService => {
  const { db, clock, makeId, sandbox, outbound, revealSecret, builtins, maxOutputBytes, cacheMs, cacheMax } = options
  const compileSchema = makeSchemaCompiler()
  const compileTemplate = makeTemplateCompiler()
  const compileOptions = { sandbox, outbound, revealSecret, clock, compileSchema, compileTemplate, maxOutputBytes }
  const checkDefinition = makeDefinitionCheck(compileOptions)
  const compile = (definition: SkillDefinition, projectId: string | null) =>
    compileTools(definition, compileOptions, projectId)
  const skills = makeSkillRepository(db.primary)
  const catalog = makeCatalog({ skills, builtins, compile, clock, cacheMs, cacheMax })
  const builtinSkills = new Map(builtins.map((builtin) => [builtin.name, toBuiltin(builtin)]))

  const notFound = (name: string): Error => skillErrors.skill_not_found(`there is no skill "${name}"`)
  const noVersion = (name: string, version: number): Error =>
    skillErrors.skill_not_found(`the skill "${name}" has no version ${version}`)

  /** A skill that may be changed, with its current content. */
  const own = async (owner: Owner, name: string): Promise<{ skill: SkillRecord; content: SkillContent }> => {
    if (builtinSkills.has(name)) throw skillErrors.skill_builtin(`"${name}" is a builtin skill: it cannot be changed`)
    const skill = await skills.skill(owner, name)
    const content = skill && (await skills.content(skill.tenantId, skill.id, skill.version))
    if (!content) throw notFound(name)
    return { skill, content }
  }

  /** Writes a change with its event. False when somebody else was quicker: nothing is written then. */
  const commit = async (before: SkillRecord, after: SkillRecord, type: string, content?: SkillContent) => {
    const isDone = await db.transaction(async (tx) => {
      const repository = makeSkillRepository(tx)
      if (!(await repository.change(before, after))) return false
      if (content) await repository.addContent(after, content)
      await writeEvent(tx, eventOf(after, type))
      return true
    })
    if (isDone) catalog.changed(after)
    return isDone
  }

  /** Again while somebody else was quicker. */
  const retry = async (name: string, attempt: () => Promise<Skill | undefined>): Promise<Skill> => {
    for (let tries = 0; tries < MOST_TRIES; tries++) {
      const skill = await attempt()
      if (skill) return skill
    }
    throw skillErrors.skill_conflict(`the skill "${name}" is being changed by others: try again`)
  }

  const create: SkillService['create'] = async (tenantId, projectId, request) => {
    const { name, kind } = request
    const given = readContent(name, request, '')
    const content = await checkContent(name, kind, given, checkDefinition, checkNewName(request))
    if (builtinSkills.has(name)) throw skillErrors.skill_exists(`"${name}" is the name of a builtin skill`)
    const nowMs = clock.now()
    const made = { version: 1, status: 'active', createdAtMs: nowMs, updatedAtMs: nowMs } as const
    const skill = { id: makeId(), tenantId, projectId, name, kind, ...made }
    try {
      await db.transaction(async (tx) => {
        const repository = makeSkillRepository(tx)
        await repository.add(skill)
        await repository.addContent(skill, content)
        await writeEvent(tx, eventOf(skill, 'skill.created'))
      })
    } catch (error) {
      if (isUniqueViolation(error)) throw skillErrors.skill_exists(`there is a skill "${name}" already`)
      throw error
    }
    catalog.changed(skill)
    return toSkill(skill, content)
  }

  const addVersion: SkillService['addVersion'] = (owner, name, request, check) =>
    retry(name, async () => {
      const { skill, content } = await own(owner, name)
      check?.(skill)
      const given = readContent(name, request, content.description)
      const changed = { ...skill, status: 'active', updatedAtMs: clock.now() } as const
      if (isDeepStrictEqual(given, content)) {
        if (skill.status === 'active') return toSkill(skill, content)
        return (await commit(skill, changed, 'skill.restored')) ? toSkill(changed, content) : undefined
      }
      const checked = await checkContent(name, skill.kind, given, checkDefinition)
      const next = { ...changed, version: skill.version + 1 }
      return (await commit(skill, next, 'skill.versioned', checked)) ? toSkill(next, checked) : undefined
    })

  const put: SkillService['put'] = (tenantId, request) =>
    retry(request.name, async () => {
      const { name, kind } = request
      const known = await skills.skill(tenantId, name)
      if (known && known.kind !== kind) {
        throw skillErrors.skill_kind_fixed(
          `the skill "${name}" is of the kind ${known.kind}, not ${kind}: take another name`,
        )
      }
      if (known) return addVersion(tenantId, name, request)
      try {
        return await create(tenantId, null, request)
      } catch (error) {
        // Somebody else made it meanwhile, unless the name is a builtin's.
        if ((error as { code?: unknown }).code === 'skill_exists' && !builtinSkills.has(name)) return undefined
        throw error
      }
    })

  const archive: SkillService['archive'] = (owner, name, check) =>
    retry(name, async () => {
      const { skill, content } = await own(owner, name)
      check?.(skill)
      if (skill.status === 'archived') return toSkill(skill, content)
      const archived = { ...skill, status: 'archived', updatedAtMs: clock.now() } as const
      return (await commit(skill, archived, 'skill.archived')) ? toSkill(archived, content) : undefined
    })

  const find: SkillService['find'] = async (owner, name, version) => {
    const builtin = builtinSkills.get(name)
    if (builtin && (version ?? BUILTIN_VERSION) !== BUILTIN_VERSION) throw noVersion(name, version as number)
    if (builtin) return builtin
    const skill = await skills.skill(owner, name)
    if (!skill) throw notFound(name)
    const wanted = version ?? skill.version
    const content = await skills.content(skill.tenantId, skill.id, wanted)
    if (!content) throw noVersion(name, wanted)
    return toSkill({ ...skill, version: wanted }, content)
  }

  /** Builtins are older than anything: they come at the end. */
  const listBuiltins = (after: CreatedCursor | undefined): SkillSummary[] =>
    [...builtinSkills.values()]
      .filter(({ id }) => after === undefined || after.createdAtMs > 0 || id < after.id)
      .sort((a, b) => (a.id < b.id ? 1 : -1))

  const list: SkillService['list'] = async (owner, { kind, status, after, limit }) => {
    const filter = { limit, ...(status && { status }), ...(after && { after }) }
    const isOwn = kind !== 'builtin'
    const rows = isOwn ? await skills.skills(owner, { ...filter, ...(kind && { kind }) }) : []
    const wantsBuiltins = (kind ?? 'builtin') === 'builtin' && (status ?? 'active') === 'active'
    const builtin = wantsBuiltins ? listBuiltins(after) : []
    return [...rows.map((row) => toSummary(row, row.description)), ...builtin].slice(0, limit)
  }

  const { toolsFor, toolHandler } = catalog
  return { create, addVersion, put, archive, find, list, toolsFor, toolHandler }
}
