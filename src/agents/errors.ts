/** Errors of agents. */
import { defineErrors } from '../platform/errors.ts'

export const agentErrors = defineErrors({
  agent_not_found: { status: 404 },
  agent_version_not_found: { status: 404 },
  agent_exists: { status: 409 },
  /** `findings` name each place. */
  agent_config_invalid: { status: 400 },
  /** A move that the life cycle does not know; `details` hold the state and what is allowed in it. */
  agent_move_not_allowed: { status: 409 },
  /** Archiving has to wait for the runs under way; `details.runs` counts them. */
  agent_has_runs: { status: 409 },
  /** It takes no new run in the state it is in. */
  agent_not_active: { status: 409 },
  /** Its versions are closed: it is on its way out. */
  agent_closed: { status: 409 },
  /** Somebody else changed it at the same moment. */
  agent_changed: { status: 409, retryable: true },
  agent_input_invalid: { status: 400 },
  /** Neither the agent nor the configuration says where its model is. */
  agent_model_missing: { status: 422 },
  /** `details` name the budget, what was used and the limit. */
  agent_budget_exceeded: { status: 422 },
  /** The model gave no answer by the schema, though it was told what was wrong. */
  agent_output_invalid: { status: 422 },
})
