/** Errors of schedules. */
import { type AppError, defineErrors, type Finding } from '../platform/errors.ts'

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

/** `schedule_invalid` whose message has the findings, too. */
export const invalidSchedule = (what: string, findings: readonly Finding[]): AppError => {
  const places = findings.map(({ path, message }) => `${path}: ${message}`)
  return scheduleErrors.schedule_invalid(`${what}: ${places.join('; ')}`, { findings })
}
