/** The two parts of an error that users see. */
import type { AslError } from './errors.ts'

/** A part that the error does not have is left out. */
export const nameAndCause = (error: AslError): { error?: string; cause?: string } => ({
  ...(error.error === undefined ? {} : { error: error.error }),
  ...(error.causeText === undefined ? {} : { cause: error.causeText }),
})
