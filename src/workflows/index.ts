/** Workflows: what others may use. */
export { HTTP_INVOKE, type HttpConnection, makeHttpInvoke } from './http-invoke.ts'
export { makeWorkflowRoutes } from './routes.ts'
export { makeRunRoutes } from './run-routes.ts'
export { makeWorkflowService, type WorkflowService, type WorkflowServiceOptions } from './service.ts'
