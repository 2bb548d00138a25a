/** Tenants, projects, keys and members: what other domains may use. */
export { makeOidc } from './oidc.ts'
export { isRole } from './roles.ts'
export { makeTenantRoutes } from './routes.ts'
export { makeTenantService } from './service.ts'
export { makeServiceTokens } from './service-token.ts'
export { makeTokenVerifier } from './tokens.ts'
