/** Errors of workflows. */
import { defineErrors } from '../platform/errors.ts'

export const workflowErrors = defineErrors({
  workflow_not_found: { status: 404 },
  /** By a workflow of another project: names are unique within a tenant. */
  workflow_name_taken: { status: 409 },
  workflow_archived: { status: 409 },
  workflow_version_not_found: { status: 404 },
  workflow_is_code: { status: 409 },
  definition_invalid: { status: 422 },
  binding_invalid: { status: 422 },
  state_test_rejected: { status: 422 },
  input_invalid: { status: 422 },
  run_target_missing: { status: 400 },
})
