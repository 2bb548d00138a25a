/** Retention: what the app may use. */
export { makeRetention } from './service.ts'
