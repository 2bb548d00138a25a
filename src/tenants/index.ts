/** Tenants, projects, keys and members: what other domains may use. */
export { makeLimitsService, type TenantLimits } from './limits.ts'
export { makeOidc } from './oidc.ts'
export { isRole } from './roles.ts'
export { makeTenantRoutes } from './routes.ts'
export { makeLimitRoutes } from './routes-limits.ts'
export { makeTenantService } from './service.ts'
export { makeServiceTokens } from './service-token.ts'
export { makeTokenVerifier } from './tokens.ts'
