/** Requests whose faults are known and not mended yet. Whoever mends one takes it out of here. */
import type { FuzzRequest } from './requests.ts'

/** None at the moment. */
export const isLeft = (_request: FuzzRequest): boolean => false
