/** Errors of notifications. */
import { defineErrors } from '../platform/errors.ts'

export const notificationErrors = defineErrors({
  channel_not_found: { status: 404 },
  channel_exists: { status: 409 },
  channel_invalid: { status: 400 },
  channel_changed: { status: 409 },
  /** Asked of a channel that has no secret or is not the kind for it. */
  channel_kind_wrong: { status: 409 },
  channel_disabled: { status: 409 },
  subscription_not_found: { status: 404 },
  event_type_unknown: { status: 400 },
  /** It is to be told to somebody who is no member of the tenant. */
  member_unknown: { status: 400 },
  project_not_allowed: { status: 403 },
  delivery_not_found: { status: 404 },
  inbox_item_not_found: { status: 404 },
  template_not_found: { status: 404 },
  template_exists: { status: 409 },
  template_invalid: { status: 400 },
  preferences_not_found: { status: 404 },
  preferences_invalid: { status: 400 },
  /** They belong to another member. */
  preferences_not_allowed: { status: 403 },
})

/** How a try can fail; a task is tried again after those that are `retryable`. */
export const deliveryErrors = defineErrors({
  /** The receiver answered with something else than 2xx. */
  delivery_refused: { status: 502, retryable: true },
  /** The receiver answered 410: it wants nothing more, and its channel is disabled. */
  delivery_gone: { status: 410 },
  /** Not called: it failed several times in a row just now. */
  channel_resting: { status: 503, retryable: true },
  delivery_unknown: { status: 404 },
  /** The mail server said no for good (5xx). */
  mail_refused: { status: 422 },
  /** The mail server asks to come again (4xx). */
  mail_deferred: { status: 503, retryable: true },
  /** No mail server answered, or the talk with it broke off. */
  mail_failed: { status: 502, retryable: true },
  mail_not_configured: { status: 409 },
})
