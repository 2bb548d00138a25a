/** Notifications: what the app may use. */

export { makeNotificationRoutes } from './routes.ts'
export { makeNotificationService, type NotificationService, type NotificationServiceOptions } from './service.ts'
