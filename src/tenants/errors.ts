/** Errors of tenants, projects, keys and members. */
import { defineErrors } from '../platform/errors.ts'

export const tenantErrors = defineErrors({
  project_not_found: { status: 404 },
  project_exists: { status: 409 },
  /** A key that is bound to a project makes no keys for others. */
  project_not_allowed: { status: 403 },
  key_not_found: { status: 404 },
  /** Expired or revoked: there is nothing to rotate. */
  key_ended: { status: 409 },
  key_malformed: { status: 400 },
  key_expiry_invalid: { status: 400 },
  /** A key that ends makes or rotates none that ends later. */
  key_outlives_maker: { status: 403 },
  scope_unknown: { status: 400 },
  tenant_exists: { status: 409 },
  member_not_found: { status: 404 },
  member_exists: { status: 409 },
  /** A tenant is never left without an owner that could sign in. */
  last_owner: { status: 409 },
  /** Single sign-on is not configured, or went wrong; the message says which. */
  sign_in_unavailable: { status: 404 },
  sign_in_failed: { status: 401 },
})
