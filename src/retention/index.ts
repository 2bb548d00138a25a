/** Retention: what the app may use. */
export { makeRetention, type Retention, type RetentionOptions } from './service.ts'
