/** The codes of outbound calls. */
import { defineErrors } from '../errors.ts'

export const outboundErrors = defineErrors({
  /** The address, a header or the body is nothing that can be sent. */
  outbound_invalid: { status: 400 },
  /** The host is no public one, and the operator's allow-list does not name it. */
  outbound_blocked: { status: 403 },
  /** The answer did not come whole within its time. */
  outbound_timeout: { status: 504, retryable: true },
  /** The answer is larger than it may be; nothing beyond the limit was kept. */
  outbound_too_large: { status: 502 },
  /** Nobody answered, or the answer broke off. */
  outbound_failed: { status: 502, retryable: true },
  /** This process is stopping. */
  outbound_stopped: { status: 503, retryable: true },
})
