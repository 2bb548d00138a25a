/** Errors of schedules. */
import { defineErrors } from '../platform/errors.ts'

export const scheduleErrors = defineErrors({
  schedule_not_found: { status: 404 },
  schedule_exists: { status: 409 },
  /** `findings` name each place. */
  schedule_invalid: { status: 400 },
  /** Its timing holds no time in the future. */
  schedule_never_fires: { status: 400 },
  schedule_not_active: { status: 409 },
  schedule_not_paused: { status: 409 },
  /** Cut the range into smaller ones. */
  backfill_too_large: { status: 400 },
  backfill_range_invalid: { status: 400 },
  /** The template of the input gave no usable value for this fire. */
  schedule_input_failed: { status: 422 },
})
