/** Tasks: what other domains may use. */
export { type CodeHandlers, makeCodeHandlers } from './code-handlers.ts'
export type { DeadLetterCopies } from './dead-copies.ts'
export { taskErrors } from './errors.ts'

export { TOKEN_KIND } from './outside.ts'
export { makeTaskRoutes } from './routes.ts'
export { makeTaskService, type TaskService } from './service.ts'
export type { NewTask } from './task-creation.ts'
export type {
  HandlerSource,
  Task,
  TaskCall,
  TaskHandler,
} from './types.ts'
