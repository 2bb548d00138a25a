/** Workflows: what others may use. */
export { makeWorkflowRoutes } from './routes.ts'
export { makeRunRoutes } from './run-routes.ts'
export { checkDefinition, makeWorkflowService, type WorkflowService } from './service.ts'
export type { CodeWorkflow, NewWorkflow, Workflow } from './types.ts'
