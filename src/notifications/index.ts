/** Notifications: what the app may use. */
export { notificationErrors } from './errors.ts'
export { makeNotificationRoutes } from './routes.ts'
export { makeNotificationService, type NotificationService, type NotificationServiceOptions } from './service.ts'
