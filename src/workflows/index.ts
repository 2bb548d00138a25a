/** Workflows: what others may use. */
export { makeWorkflowRoutes } from './routes.ts'
export { makeRunRoutes } from './run-routes.ts'
export { makeWorkflowService, type WorkflowService } from './service.ts'
