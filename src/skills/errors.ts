/** Errors of the registry of skills. */
import { defineErrors } from '../platform/errors.ts'

export const skillErrors = defineErrors({
  skill_not_found: { status: 404 },
  /** The name is taken, by another skill or by a builtin one. */
  skill_exists: { status: 409 },
  /** The definition is wrong; `findings` say where, and nothing was stored. */
  skill_invalid: { status: 400 },
  /** A skill keeps the kind that it was made with. */
  skill_kind_fixed: { status: 409 },
  /** A builtin skill cannot be changed. */
  skill_builtin: { status: 409 },
  /** Others changed the skill again and again meanwhile. */
  skill_conflict: { status: 409, retryable: true },
})

/** For a skill that is named inside something else: that is there, but what it names is not. */
export const skillReferenceErrors = defineErrors({
  skill_not_found: { status: 422 },
  tool_not_found: { status: 422 },
  skill_archived: { status: 422 },
  skill_reference_invalid: { status: 422 },
})
