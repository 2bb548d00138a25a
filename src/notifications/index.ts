/** Notifications: what the app may use. */

export { OUTBOX_CURSOR } from './endings.ts'
export { makeNotificationRoutes } from './routes.ts'
export { makeNotificationService, type NotificationService, type NotificationServiceOptions } from './service.ts'
