/** An error as it is journaled and shown. */
import type { Json } from '../platform/json.ts'

export interface ErrorRecord {
  readonly code: string
  readonly message: string
  readonly details?: Json
}
