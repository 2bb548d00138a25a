/** Tenants, projects and keys: what other domains may use. */
export { makeTenantRoutes } from './routes.ts'
export { makeTenantService } from './service.ts'
