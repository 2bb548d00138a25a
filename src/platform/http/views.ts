/** Schemas that many routes share, and times as the API shows them. */
import { z } from 'zod'
import type { Json } from '../json.ts'
import { PRIORITIES, type Priority, type PriorityName } from '../queue/queue.ts'

export const idSchema = z.string().min(1).max(100)
export const nameSchema = z
  .string()
  .regex(
    /^[a-zA-Z0-9][a-zA-Z0-9._-]{0,99}$/,
    'must be 1 to 100 letters, digits, dots, dashes or underscores, the first a letter or digit',
  )
/** Any JSON value. Bodies come out of a JSON parser, so nothing but its presence is left to check: `z.json()` would walk it again. */
export const jsonSchema = z.unknown().refine((value) => value !== undefined, 'is missing') as unknown as z.ZodType<
  Json,
  Json
>
/** Of a 204. Documented as nothing at all. */
export const noContent = z.null().describe('Done; the answer has no body.') as unknown as z.ZodType<undefined>
export const prioritySchema = z.enum(['critical', 'high', 'normal', 'low'])
export const durationSchema = z
  .union([z.number().int().min(0), z.string().max(100)])
  .describe('Milliseconds, or a text such as "2 days".')
export const timeSchema = z.iso.datetime({ offset: true, error: 'must be a time such as 2030-01-31T12:00:00Z' })
export const errorSchema = z.object({ code: z.string(), message: z.string(), details: jsonSchema.optional() })

export const toTime = (ms: number): string => new Date(ms).toISOString()
export const toTimeOrNull = (ms: number | null): string | null => (ms === null ? null : toTime(ms))

const NAMES = Object.fromEntries(Object.entries(PRIORITIES).map(([name, value]) => [value, name])) as Record<
  Priority,
  PriorityName
>
export const priorityName = (priority: Priority): PriorityName => NAMES[priority]
export const priorityOf = (name: PriorityName | undefined): Priority => PRIORITIES[name ?? 'normal']
