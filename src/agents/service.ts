/** Agents: made, versioned, moved through their life cycle; and the code of their runs. */
import { isDeepStrictEqual } from 'node:util'
import { LRUCache } from 'lru-cache'
import type { Located, ProgramRequest, RetryPolicy, Run, WorkflowFunction } from '../engine/index.ts'
import type { Clock } from '../platform/clock.ts'
import type { Database, Handle } from '../platform/db/database.ts'
import { isUniqueViolation } from '../platform/db/errors.ts'
import { writeEvent } from '../platform/events/write.ts'
import type { MakeId } from '../platform/ids.ts'
import type { Json } from '../platform/json.ts'
import type { Owner, Scope } from '../platform/scope.ts'
import { checkConfig } from './check-config.ts'
import { type AgentConfigInput, parseConfig } from './config.ts'
import { readInput } from './conversation.ts'
import { endpointOf } from './endpoint.ts'
import { agentErrors } from './errors.ts'
import { type AgentMove, checkIsOpen, checkMove, checkTakesRuns, MOVES } from './life-cycle.ts'
import { makeAgentLoop } from './loop.ts'
import { type AgentFilter, makeAgentRepository } from './repository.ts'
import type { TurnOptions } from './turn.ts'
import type { Agent, AgentSummary } from './types.ts'

export interface AgentServiceOptions extends Omit<TurnOptions, 'config' | 'projectId'> {
  readonly db: Database
  readonly clock: Clock
  readonly makeId: MakeId
  /** Of a turn that failed in a way that another try may mend. */
  readonly turnRetry?: RetryPolicy
}

export interface NewAgent {
  readonly name: string
  readonly type?: string | undefined
  readonly config: AgentConfigInput
}

const DEFAULT_TYPE = 'general'
/** Versions whose code is kept at hand. */
const LOOPS_KEPT = 500

export const makeAgentService = (options: AgentServiceOptions) => {
  const { db, clock, makeId, skills, defaultModel, compileSchema } = options
  const agents = makeAgentRepository(db.primary)
  // A version never changes and a name is never given twice, so nothing in here grows old.
  const loops = new LRUCache<string, WorkflowFunction>({ max: LOOPS_KEPT })

  const tell = (tx: Handle, type: string, agent: AgentSummary, data: { [key: string]: Json } = {}): Promise<void> =>
    writeEvent(tx, {
      tenantId: agent.tenantId,
      projectId: agent.projectId,
      type,
      data: { name: agent.name, ...data },
      atMs: clock.now(),
    })

  const changed = (name: string): Error =>
    agentErrors.agent_changed(`somebody else changed the agent "${name}" at the same moment; look at it and try again`)

  const existing = async (owner: Owner, name: string): Promise<AgentSummary> => {
    const agent = await agents.summary(owner, name)
    if (!agent) throw agentErrors.agent_not_found(`there is no agent "${name}"`)
    return settle(agent)
  }

  const withConfig = async (agent: AgentSummary, version = agent.latestVersion): Promise<Agent> => {
    const config = await agents.config(agent.tenantId, agent.id, version)
    if (config) return { ...agent, version, config }
    throw agentErrors.agent_version_not_found(
      `the agent "${agent.name}" has no version ${version}; its latest is ${agent.latestVersion}`,
    )
  }

  // ---- life cycle ---------------------------------------------------------------------------------------------------------------

  const moveTo = async (agent: AgentSummary, move: AgentMove): Promise<AgentSummary> => {
    const { to, event } = MOVES[move]
    const nowMs = clock.now()
    await db.transaction(async (tx) => {
      if (!(await makeAgentRepository(tx).move(agent, to, nowMs))) throw changed(agent.name)
      await tell(tx, event, agent, { version: agent.latestVersion })
    })
    return { ...agent, status: to, updatedAtMs: nowMs }
  }

  /**
   * A draining agent is archived when it is looked at and has no run left. A run that was accepted in the very moment of the
   * move is not counted, and does no harm: it has its version, and ends like the others.
   */
  const settle = async (agent: AgentSummary): Promise<AgentSummary> => {
    if (agent.status !== 'draining' || (await agents.countOpenRuns(agent.tenantId, agent.name)) > 0) return agent
    try {
      return await moveTo(agent, 'archive')
    } catch (error) {
      // Somebody else looked at the same moment.
      if ((error as { code?: unknown }).code === 'agent_changed') return { ...agent, status: 'archived' }
      throw error
    }
  }

  const checkMayGo = async (agent: AgentSummary, move: AgentMove): Promise<void> => {
    checkMove(agent.name, agent.status, move)
    if (MOVES[move].to === 'active') endpointOf((await withConfig(agent)).config, defaultModel)
    if (move !== 'archive') return
    const runs = await agents.countOpenRuns(agent.tenantId, agent.name)
    if (runs === 0) return
    throw agentErrors.agent_has_runs(
      `the agent "${agent.name}" has ${runs} ${runs === 1 ? 'run' : 'runs'} under way; drain it, or cancel them first`,
      { details: { runs } },
    )
  }

  const move = async (owner: Owner, name: string, wanted: AgentMove): Promise<Agent> => {
    const agent = await existing(owner, name)
    await checkMayGo(agent, wanted)
    return withConfig(await settle(await moveTo(agent, wanted)))
  }

  // ---- versions -----------------------------------------------------------------------------------------------------------------

  const checked = async (scope: Scope, config: unknown) => {
    const parsed = parseConfig(config)
    await checkConfig(parsed, { compileSchema, toolsFor: (refs) => skills.toolsFor(scope, refs) })
    return parsed
  }

  const create = async (tenantId: string, projectId: string | null, request: NewAgent): Promise<Agent> => {
    const { name, type = DEFAULT_TYPE } = request
    const config = await checked({ tenantId, projectId }, request.config)
    const [id, nowMs] = [makeId(), clock.now()]
    const times = { createdAtMs: nowMs, updatedAtMs: nowMs }
    const versions = { latestVersion: 1, version: 1 }
    const agent: Agent = { id, tenantId, projectId, name, type, status: 'draft', ...versions, config, ...times }
    try {
      await db.transaction(async (tx) => {
        await makeAgentRepository(tx).add(agent)
        await tell(tx, 'agent.created', agent, { version: 1 })
      })
    } catch (cause) {
      if (!isUniqueViolation(cause)) throw cause
      throw agentErrors.agent_exists(
        `there is an agent "${name}" already (names of archived ones stay taken); add a version to it, or choose another name`,
        { cause },
      )
    }
    return agent
  }

  const addVersion = async (
    owner: Owner,
    name: string,
    config: AgentConfigInput,
    check?: (current: AgentSummary) => void,
  ): Promise<Agent> => {
    const latest = await withConfig(await existing(owner, name))
    check?.(latest)
    checkIsOpen(name, latest.status)
    const next = await checked(latest, config)
    if (isDeepStrictEqual(next, latest.config)) return latest
    if (latest.status === 'active') endpointOf(next, defaultModel)
    const version = latest.version + 1
    const agent: Agent = { ...latest, config: next, version, latestVersion: version, updatedAtMs: clock.now() }
    await db.transaction(async (tx) => {
      if (!(await makeAgentRepository(tx).addVersion(agent))) throw changed(name)
      await tell(tx, 'agent.versioned', agent, { version })
    })
    return agent
  }

  return {
    /** A draft at version 1. Throws `agent_exists`, `agent_config_invalid`, or what is wrong with a skill. */
    create,
    /** The next version, which new runs take; the latest one again when the configuration is the same. `check` may refuse by throwing. */
    addVersion,
    /** Creates it or adds a version where the configuration differs, and lets a draft take runs: for agents kept in files. */
    async put(tenantId: string, request: NewAgent): Promise<Agent> {
      const isKnown = (await agents.summary(tenantId, request.name)) !== undefined
      const agent = isKnown
        ? await addVersion(tenantId, request.name, request.config)
        : await create(tenantId, null, request)
      return agent.status === 'draft' ? move(tenantId, agent.name, 'activate') : agent
    },
    activate: (owner: Owner, name: string) => move(owner, name, 'activate'),
    pause: (owner: Owner, name: string) => move(owner, name, 'pause'),
    resume: (owner: Owner, name: string) => move(owner, name, 'resume'),
    drain: (owner: Owner, name: string) => move(owner, name, 'drain'),
    archive: (owner: Owner, name: string) => move(owner, name, 'archive'),

    /** As `version` has it, or the latest. Throws `agent_not_found` or `agent_version_not_found`. */
    async find(owner: Owner, name: string, version?: number): Promise<Agent> {
      return withConfig(await existing(owner, name), version)
    },
    /** Newest first. */
    async list(owner: Owner, filter: AgentFilter): Promise<AgentSummary[]> {
      return Promise.all((await agents.list(owner, filter)).map(settle))
    },

    /** The version of a new run. Throws when the agent does not exist, takes no runs, or cannot use the input. */
    async locate({ target, version, input, ...scope }: ProgramRequest): Promise<Located> {
      const agent = await existing(scope, target)
      checkTakesRuns(target, agent.status)
      readInput(input)
      const { projectId } = agent
      if (version === undefined) return { version: agent.latestVersion, projectId }
      return { version: (await withConfig(agent, version)).version, projectId }
    },
    /** The loop of a run's version; undefined when there is none. */
    async load({ tenantId, target, version }: Run): Promise<WorkflowFunction | undefined> {
      const key = `${tenantId}/${target}/${version}`
      const known = loops.get(key)
      if (known) return known
      const agent = await agents.summary(tenantId, target)
      const config = agent && (await agents.config(tenantId, agent.id, version))
      if (!config) return undefined
      const loop = makeAgentLoop({ ...options, name: target, config, projectId: agent.projectId })
      loops.set(key, loop)
      return loop
    },
  }
}

export type AgentService = ReturnType<typeof makeAgentService>
