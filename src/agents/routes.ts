/** HTTP routes of agents. */
import { z } from 'zod'
import { ifMatch, sendTagged } from '../platform/http/etag.ts'
import { pageQuery, readPage } from '../platform/http/page.ts'
import type { Routes } from '../platform/http/server.ts'
import { nameSchema, toTime } from '../platform/http/views.ts'
import { agentConfigSchema } from './config.ts'
import { AGENT_STATUSES, type AgentMove, MOVES } from './life-cycle.ts'
import type { AgentService } from './service.ts'
import type { Agent, AgentSummary } from './types.ts'

const summaryView = (agent: AgentSummary) => ({
  id: agent.id,
  name: agent.name,
  type: agent.type,
  projectId: agent.projectId,
  status: agent.status,
  latestVersion: agent.latestVersion,
  createdAt: toTime(agent.createdAtMs),
  updatedAt: toTime(agent.updatedAtMs),
})

const agentView = (agent: Agent) => ({ ...summaryView(agent), version: agent.version, config: agent.config })

/** What a change could alter; which version is looked at makes another answer, but no other agent. */
const stateOf = ({ id, status, latestVersion, updatedAtMs }: AgentSummary) => ({
  fields: [id, status, latestVersion, updatedAtMs],
})
const answerState = (agent: Agent) => ({ ...stateOf(agent), figures: [agent.version] })

const tags = ['agents']
const params = z.object({ name: nameSchema })
const typeSchema = nameSchema.describe('What you sort your agents by.')
const newAgent = z.strictObject({ name: nameSchema, type: typeSchema.optional(), config: agentConfigSchema })
const newVersion = z.strictObject({ config: agentConfigSchema })
const listQuery = z.strictObject({
  status: z.enum(AGENT_STATUSES).optional(),
  type: typeSchema.optional(),
  ...pageQuery,
})
const findQuery = z.strictObject({
  version: z.coerce.number().int().min(1).optional().describe('Default: the latest.'),
})

export const makeAgentRoutes =
  (agents: AgentService): Routes =>
  (server) => {
    const read = { config: { permission: 'agents:read' } } as const
    const write = { config: { permission: 'agents:write' } } as const

    server.get(
      '/v1/agents',
      { ...read, schema: { tags, summary: 'List agents, newest first', querystring: listQuery } },
      async ({ principal, query }) => readPage(query, (filter) => agents.list(principal, filter), summaryView),
    )

    server.post(
      '/v1/agents',
      { ...write, schema: { tags, summary: 'Make an agent: a draft, version 1', body: newAgent } },
      async (request, reply) => {
        const { tenantId, projectId } = request.principal
        return reply.code(201).send(agentView(await agents.create(tenantId, projectId, request.body)))
      },
    )

    server.get(
      '/v1/agents/:name',
      {
        config: { ...read.config, conditional: true },
        schema: { tags, summary: 'One agent, as one of its versions has it', params, querystring: findQuery },
      },
      async (request, reply) => {
        const agent = await agents.find(request.principal, request.params.name, request.query.version)
        return sendTagged(request, reply, answerState(agent), agentView(agent))
      },
    )

    server.put(
      '/v1/agents/:name',
      {
        config: { ...write.config, conditional: true },
        schema: { tags, summary: 'Add the next version; new runs take it', params, body: newVersion },
      },
      async (request, reply) => {
        const { principal, params: path, body } = request
        const check = ifMatch(request, stateOf)
        const agent = await agents.addVersion(principal, path.name, body.config, check)
        return sendTagged(request, reply, answerState(agent), agentView(agent))
      },
    )

    for (const move of Object.keys(MOVES) as AgentMove[]) {
      server.post(
        `/v1/agents/:name/${move}`,
        { ...write, schema: { tags, summary: MOVES[move].summary, params } },
        async (request) => agentView(await agents[move](request.principal, request.params.name)),
      )
    }
  }
