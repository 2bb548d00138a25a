/** Errors of the queues. */
import { defineErrors } from '../platform/errors.ts'

export const queueErrors = defineErrors({
  queue_unknown: { status: 404 },
  queue_tenant_not_found: { status: 404 },
  queue_rule_not_found: { status: 404 },
  queue_rule_invalid: { status: 422 },
  queue_rules_too_many: { status: 422 },
  operator_only: { status: 403 },
})
