/** Rules of the queues: what other domains may use. */
export { makeQueueRoutes } from './routes.ts'
export { makeQueueService } from './service.ts'
