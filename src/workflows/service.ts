/** Workflows: created, versioned, archived; and the function of a run's version, for the engine. */
import { LRUCache } from 'lru-cache'
import { compile, type Program } from '../asl/index.ts'
import type { Located, ProgramRequest, Run, WorkflowFunction } from '../engine/index.ts'
import type { Clock } from '../platform/clock.ts'
import type { Database } from '../platform/db/database.ts'
import { isUniqueViolation } from '../platform/db/errors.ts'
import type { Finding } from '../platform/errors.ts'
import { writeEvent } from '../platform/events/write.ts'
import type { MakeId } from '../platform/ids.ts'
import type { Json, JsonObject } from '../platform/json.ts'
import { ifVisible, type Owner, type Scope, tenantOf } from '../platform/scope.ts'
import { makeAslFunction } from './asl-program.ts'
import type { StartRun } from './asl-task.ts'
import { type Check, checkDefinition } from './check.ts'
import { workflowErrors } from './errors.ts'
import { isGroup } from './map-child.ts'
import type { MapStores } from './map-io.ts'
import { makeWorkflowRepository, type WorkflowFilter } from './repository.ts'
import { type Bindings, RESOURCE_FORMS, readResource } from './resources.ts'
import type { CodeWorkflow, NewWorkflow, Workflow } from './types.ts'

export interface WorkflowServiceOptions {
  readonly db: Database
  readonly clock: Clock
  readonly makeId: MakeId
  /** How long the current version of a name is believed without asking the database. */
  readonly cacheMs: number
  readonly cacheMax: number
  /** What the ARNs of imported definitions stand for. */
  readonly bindings?: Bindings | undefined
  /** Where the items and results of distributed Maps lie; without it they can name no files. */
  /** The folder of the files of a tenant, or of one of its projects. */
  readonly filesRoot?: ((scope: Scope) => string | undefined) | undefined
  /** The object store that distributed Maps read from and write to; see `MapStores`. */
  readonly s3?: MapStores['s3']
  /** For `states:startExecution`; without it no run can start another and go on. */
  readonly startRun?: StartRun | undefined
  /** The largest output of one child of a distributed Map. */
  readonly payloadLimitBytes?: number | undefined
}

const PAYLOAD_LIMIT_BYTES = 262_144

/** Throws `binding_invalid` when an ARN is bound to nothing that AIDOS has. */
const mustBeResources = (bindings: Bindings): Bindings => {
  for (const [arn, resource] of Object.entries(bindings)) {
    if (readResource(resource.replace('*', 'x'), {})) continue
    throw workflowErrors.binding_invalid(`"${arn}" is bound to "${resource}"; allowed: ${RESOURCE_FORMS}`)
  }
  return Object.freeze({ ...bindings })
}

export const makeWorkflowService = (options: WorkflowServiceOptions) => {
  const {
    db,
    clock,
    makeId,
    cacheMs,
    cacheMax,
    filesRoot,
    s3,
    startRun,
    payloadLimitBytes = PAYLOAD_LIMIT_BYTES,
  } = options
  const bindings = mustBeResources(options.bindings ?? {})
  const workflows = makeWorkflowRepository(db.primary)
  const code = new Map<string, Map<number, CodeWorkflow>>()
  const current = new LRUCache<string, Workflow>({ max: cacheMax, ttl: Math.max(cacheMs, 1) })
  // A version never changes: its compiled form is kept as long as there is room.
  const programs = new LRUCache<string, Program>({ max: cacheMax })

  const latestCode = (name: string): CodeWorkflow | undefined => {
    const versions = code.get(name)
    return versions && [...versions.values()].reduce((a, b) => (b.version > a.version ? b : a))
  }

  const findCurrent = async (tenantId: string, name: string): Promise<Workflow | undefined> => {
    const key = `${tenantId}/${name}`
    const known = cacheMs > 0 ? current.get(key) : undefined
    if (known) return known
    const found = await workflows.find(tenantId, name)
    if (found) current.set(key, found)
    return found
  }

  const notFound = (name: string): Error => workflowErrors.workflow_not_found(`there is no workflow "${name}"`)

  const find = async (owner: Owner, name: string): Promise<Workflow> => {
    const found = await workflows.find(owner, name)
    if (!found) throw notFound(name)
    return found
  }

  /** False when it is not as before any more: nothing was stored then. */
  const store = async (tenantId: string, { before, workflow, definition, type }: Stored): Promise<boolean> => {
    const isStored = await db.transaction(async (tx) => {
      const repository = makeWorkflowRepository(tx)
      if (!before) await repository.add(workflow)
      else if (!(await repository.update(before, workflow))) return false
      if (definition) await repository.addVersion(workflow, definition)
      const data = { name: workflow.name, version: workflow.version }
      const { projectId } = workflow
      await writeEvent(tx, { tenantId, projectId, type, data, atMs: workflow.updatedAtMs })
      return true
    })
    current.delete(`${tenantId}/${workflow.name}`)
    return isStored
  }

  const next = (found: Workflow): Workflow => ({
    ...found,
    status: 'active',
    version: found.version + 1,
    updatedAtMs: clock.now(),
  })

  const first = ({ tenantId, projectId, name }: NewWorkflow): Workflow => {
    const nowMs = clock.now()
    const base = { id: makeId(), tenantId, projectId, name, createdAtMs: nowMs, updatedAtMs: nowMs }
    return { ...base, kind: 'asl', status: 'active', version: 1 }
  }

  /** Makes the workflow, or its next version when the definition differs from the current one. */
  const put = async (
    request: NewWorkflow,
  ): Promise<{ workflow: Workflow; isNew: boolean; warnings: readonly Finding[] }> => {
    const { tenantId, projectId, name } = request
    const { definition, errors, warnings } = checkDefinition(request.definition, request.format, bindings)
    if (errors.length > 0 || !definition) {
      const detail = errors.map((finding) => `${finding.path}: ${finding.message}`).join('; ')
      throw workflowErrors.definition_invalid(`the definition of "${name}" is not valid: ${detail}`, {
        findings: errors,
      })
    }
    if (code.has(name)) {
      throw workflowErrors.workflow_is_code(`the name "${name}" belongs to a workflow written in code; choose another`)
    }
    const found = await workflows.find({ tenantId, projectId }, name)
    request.check?.(found)
    const known = found && (await workflows.definition(tenantId, found.id, found.version))
    if (found?.status === 'active' && JSON.stringify(known) === JSON.stringify(definition)) {
      return { workflow: found, isNew: false, warnings }
    }
    const workflow = found ? next(found) : first(request)
    const type = found ? ('workflow.versioned' as const) : ('workflow.created' as const)
    try {
      if (!(await store(tenantId, { before: found, workflow, definition, type }))) return put(request)
    } catch (error) {
      if (found || !isUniqueViolation(error)) throw error
      // Somebody else put the same name at the same moment: look again. Unless another project has it, where nobody looks.
      if (ifVisible({ tenantId, projectId }, await workflows.find(tenantId, name))) return put(request)
      throw workflowErrors.workflow_name_taken(`the name "${name}" is taken within the tenant; choose another`)
    }
    return { workflow, isNew: true, warnings }
  }

  const compiled = async (run: Run): Promise<Program | undefined> => {
    const key = `${run.tenantId}/${run.target}/${run.version}`
    const known = programs.get(key)
    if (known) return known
    const workflow = await workflows.find(run.tenantId, run.target)
    const definition = workflow && (await workflows.definition(run.tenantId, workflow.id, run.version))
    if (!definition) return undefined
    const program = compile(definition)
    programs.set(key, program)
    return program
  }

  const checkInput = async (workflow: CodeWorkflow, input: Json): Promise<void> => {
    const findings = (await workflow.checkInput?.(input)) ?? []
    if (findings.length === 0) return
    const detail = findings.map((finding) => `${finding.path}: ${finding.message}`).join('; ')
    throw workflowErrors.input_invalid(`the input does not fit "${workflow.name}": ${detail}`, { findings })
  }

  const noVersion = (name: string, version: number, latest: number): Error =>
    workflowErrors.workflow_version_not_found(
      `the workflow "${name}" has no version ${version}; the latest is ${latest}`,
    )

  const archive = async (owner: Owner, name: string, check?: (current: Workflow) => void): Promise<Workflow> => {
    if (code.has(name)) throw workflowErrors.workflow_is_code(`"${name}" is written in code; remove it from its folder`)
    const found = await find(owner, name)
    check?.(found)
    if (found.status === 'archived') return found
    const workflow: Workflow = { ...found, status: 'archived', updatedAtMs: clock.now() }
    const type = 'workflow.archived'
    if (await store(found.tenantId, { before: found, workflow, definition: undefined, type })) return workflow
    return archive(owner, name, check)
  }

  return {
    put,
    find,
    /** What is wrong with a definition, without storing it. */
    check: (definition: JsonObject | string, format?: 'json' | 'yaml'): Check =>
      checkDefinition(definition, format, bindings),

    /** A workflow with one version's definition; null for code. Throws `workflow_not_found`. */
    async show(
      owner: Owner,
      name: string,
      version?: number,
    ): Promise<{ workflow: Workflow; definition: JsonObject | null }> {
      const byCode = latestCode(name)
      if (byCode) return { workflow: codeView(byCode, tenantOf(owner)), definition: null }
      const workflow = await find(owner, name)
      const definition = await workflows.definition(workflow.tenantId, workflow.id, version ?? workflow.version)
      if (!definition) throw noVersion(name, version ?? workflow.version, workflow.version)
      return { workflow: { ...workflow, version: version ?? workflow.version }, definition }
    },

    /** Stored workflows, newest first. */
    list: (owner: Owner, filter: WorkflowFilter) => workflows.list(owner, filter),
    /** Workflows written in code, by name. */
    listCode: (tenantId: string): Workflow[] =>
      [...code.keys()].toSorted().flatMap((name) => {
        const latest = latestCode(name)
        return latest ? [codeView(latest, tenantId)] : []
      }),

    archive,

    /** Takes a workflow written in code; the same name and version again replaces the function for runs to come. */
    register(workflow: CodeWorkflow): void {
      const versions = code.get(workflow.name) ?? new Map<number, CodeWorkflow>()
      code.set(workflow.name, versions)
      versions.set(workflow.version, workflow)
    },

    /** The version that a new run takes. Throws when there is none, or the input does not fit. */
    async locate({ target, version, input, parent, ...scope }: ProgramRequest): Promise<Located> {
      const latest = latestCode(target)
      if (latest) {
        const wanted = code.get(target)?.get(version ?? latest.version)
        if (!wanted) throw noVersion(target, version as number, latest.version)
        await checkInput(wanted, input)
        return { version: wanted.version, projectId: null }
      }
      const found = ifVisible(scope, await findCurrent(scope.tenantId, target))
      if (!found) throw notFound(target)
      // Runs under way go on, and so do the groups of their Maps.
      if (found.status === 'archived' && !(parent?.target === target && isGroup(input)))
        throw workflowErrors.workflow_archived(`the workflow "${target}" is archived: it takes no new runs`)
      if (version !== undefined && (version < 1 || version > found.version))
        throw noVersion(target, version, found.version)
      return { version: version ?? found.version, projectId: found.projectId }
    },

    async load(run: Run): Promise<WorkflowFunction | undefined> {
      const byCode = code.get(run.target)?.get(run.version)
      if (byCode) return byCode.fn
      const program = await compiled(run)
      if (!program) return undefined
      const stores = { filesRoot: () => filesRoot?.(run), s3 }
      return makeAslFunction({ program, run, bindings, startRun, stores, payloadLimitBytes })
    },
  }
}

interface Stored {
  /** As it was read; undefined for a new one. */
  readonly before: Workflow | undefined
  readonly workflow: Workflow
  readonly definition: JsonObject | undefined
  readonly type: 'workflow.created' | 'workflow.versioned' | 'workflow.archived'
}

const codeView = (workflow: CodeWorkflow, tenantId: string): Workflow => ({
  id: workflow.name,
  tenantId,
  projectId: null,
  name: workflow.name,
  kind: 'typescript',
  status: 'active',
  version: workflow.version,
  createdAtMs: 0,
  updatedAtMs: 0,
})

export type WorkflowService = ReturnType<typeof makeWorkflowService>
