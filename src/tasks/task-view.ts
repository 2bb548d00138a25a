/** A task as the API shows it. */
import { z } from 'zod'
import {
  errorSchema,
  idSchema,
  jsonSchema,
  priorityName,
  prioritySchema,
  toTime,
  toTimeOrNull,
} from '../platform/http/views.ts'
import { TASK_STATUSES, type Task } from './types.ts'

export const taskSchema = z.object({
  id: idSchema,
  kind: z.string(),
  status: z.enum(TASK_STATUSES),
  priority: prioritySchema,
  runId: z.string().nullable(),
  step: z.string().nullable(),
  projectId: z.string().nullable(),
  input: jsonSchema,
  output: jsonSchema,
  error: errorSchema.nullable(),
  attempt: z.number(),
  maxAttempts: z.number(),
  progress: jsonSchema,
  limitKey: z.string().nullable(),
  runAt: z.string(),
  deadline: z.string().nullable(),
  createdAt: z.string(),
  startedAt: z.string().nullable(),
  finishedAt: z.string().nullable(),
})

export const taskView = (task: Task) => ({
  id: task.id,
  kind: task.kind,
  status: task.status,
  priority: priorityName(task.priority),
  runId: task.runId,
  step: task.stepKey,
  projectId: task.projectId,
  input: task.input,
  output: task.output,
  error: task.error,
  attempt: task.attempt,
  maxAttempts: task.settings.retry.attempts,
  progress: task.progress,
  limitKey: task.limitKey,
  runAt: toTime(task.runAtMs),
  deadline: toTimeOrNull(task.deadlineAtMs),
  createdAt: toTime(task.createdAtMs),
  startedAt: toTimeOrNull(task.startedAtMs),
  finishedAt: toTimeOrNull(task.finishedAtMs),
})
