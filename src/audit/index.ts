/** The audit log: what the app puts around everything else. */
export { type Audit, makeAudit } from './audit.ts'
export { type FailedSignIns, makeFailedSignIns } from './failed-sign-ins.ts'
export { makeAuditHooks } from './hooks.ts'
export { makeAuditRoutes } from './routes.ts'
