/** Errors of tasks. */
import { defineErrors } from '../platform/errors.ts'

export const taskErrors = defineErrors({
  task_not_found: { status: 404 },
  task_not_open: { status: 409 },
  task_not_retryable: { status: 409 },
  task_not_waiting: { status: 409 },
  token_not_found: { status: 404 },
  dead_letter_not_found: { status: 404 },
  dead_letter_resolved: { status: 409 },
  redrive_not_found: { status: 404 },
  redrive_over: { status: 409 },
  redrives_too_many: { status: 429 },
  unknown_kind: { status: 422 },
  task_timeout: { status: 504, retryable: true },
  task_heartbeat_timeout: { status: 504, retryable: true },
  task_deadline_passed: { status: 408 },
  task_cancelled: { status: 409 },
  task_interrupted: { status: 503, retryable: true },
  worker_lost: { status: 503, retryable: true },
  idempotency_conflict: { status: 409 },
})
