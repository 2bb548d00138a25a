/** Agents: what other domains may use. */
export { agentErrors } from './errors.ts'
export { type ModelClient, makeModelClient } from './model/client.ts'
export { makeAgentRoutes } from './routes.ts'
export { type AgentService, type AgentServiceOptions, makeAgentService, type NewAgent } from './service.ts'
export type { Agent, AgentOutput, AgentSummary, SkillTools } from './types.ts'
