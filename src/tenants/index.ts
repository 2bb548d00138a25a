/** Tenants, projects and keys: what other domains may use. */
export { makeTenantRoutes } from './routes.ts'
export { makeTenantService, type TenantService, tenantErrors } from './service.ts'
export type { ApiKey, Project, Tenant } from './types.ts'
