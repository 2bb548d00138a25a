/** Agents: what other domains may use. */
export { makeModelClient } from './model/client.ts'
export { makeAgentRoutes } from './routes.ts'
export { type AgentService, makeAgentService, type NewAgent } from './service.ts'
