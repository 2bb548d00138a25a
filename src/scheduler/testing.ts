/** What the tests of schedules share. */
import type { ScheduleOptions } from './types.ts'

export const makeOptions = (options: Partial<ScheduleOptions> = {}): ScheduleOptions => ({
  startAtMs: null,
  endAtMs: null,
  maxFires: null,
  jitterMs: 0,
  overlap: 'skip',
  missed: 'fire-once',
  catchUpMs: 86_400_000,
  failing: { after: 3, pause: false },
  priority: 3,
  timeoutMs: null,
  ...options,
})
