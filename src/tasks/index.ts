/** Tasks: what other domains may use. */
export { type CodeHandlers, makeCodeHandlers } from './code-handlers.ts'
export { taskErrors } from './errors.ts'
export type { DeadLetterFilter, TaskFilter } from './repository.ts'
export { makeTaskRoutes, retrySchema } from './routes.ts'
export { makeTaskService, type NewTask, type TaskService } from './service.ts'
export {
  type DeadLetter,
  type HandlerSource,
  TASK_STATUSES,
  type Task,
  type TaskCall,
  type TaskHandler,
  type TaskStatus,
} from './types.ts'
