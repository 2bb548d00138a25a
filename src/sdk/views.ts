/** What the API answers, as types. */
import type { ErrorRecord, RetryPolicy, RunStatus } from '../engine/index.ts'
import type { Finding } from '../platform/errors.ts'
import type { Json, JsonObject, JsonSchema } from '../platform/json.ts'

export type Priority = 'critical' | 'high' | 'normal' | 'low'

export interface Page<T> {
  readonly items: readonly T[]
  readonly nextCursor: string | null
}

export interface PageQuery {
  readonly limit?: number | undefined
  readonly cursor?: string | undefined
}

export interface RunView {
  readonly id: string
  readonly kind: 'workflow' | 'agent'
  readonly target: string
  readonly version: number
  readonly status: RunStatus
  readonly priority: Priority
  readonly input: Json
  readonly output: Json
  readonly error: ErrorRecord | null
  readonly waitingFor: string | null
  readonly parentRunId: string | null
  readonly createdAt: string
  readonly startedAt: string | null
  readonly finishedAt: string | null
}

export interface NewRun {
  readonly workflow?: string
  readonly agent?: string
  readonly version?: number | undefined
  readonly input?: Json | undefined
  readonly priority?: Priority | undefined
  readonly timeout?: number | string | undefined
  readonly idempotencyKey?: string | undefined
}

export interface EventView {
  /** Rises within a run or task. */
  readonly id: number
  readonly type: string
  readonly at: string
  readonly runId: string | null
  readonly taskId: string | null
  readonly data: { readonly [key: string]: Json }
}

/** A part of a timeline; the next begins after `nextCursor`, an event's id. */
export interface EventPage {
  readonly items: readonly EventView[]
  readonly nextCursor: number | null
}

/** An entry of a run's journal. */
export interface StepView {
  readonly position: number
  readonly key: string
  readonly kind: string
  readonly outcome: 'ok' | 'error'
  readonly value: Json
  readonly at: string
}

export interface TaskView {
  readonly id: string
  readonly kind: string
  readonly runId: string | null
  readonly status: 'scheduled' | 'queued' | 'running' | 'waiting' | 'completed' | 'failed' | 'dead' | 'cancelled'
  readonly priority: Priority
  readonly input: Json
  readonly output: Json
  readonly error: ErrorRecord | null
  readonly attempt: number
  readonly maxAttempts: number
  /** The step of its run that it is. */
  readonly step: string | null
  readonly runAt: string
  readonly deadline: string | null
  readonly progress: Json
  readonly createdAt: string
  readonly startedAt: string | null
  readonly finishedAt: string | null
}

export interface NewTask {
  readonly limitKey?: string | undefined
  readonly kind: string
  readonly input?: Json | undefined
  readonly priority?: Priority | undefined
  readonly delay?: number | string | undefined
  readonly runAt?: string | undefined
  readonly deadline?: string | undefined
  readonly timeout?: number | string | undefined
  readonly heartbeatTimeout?: number | string | undefined
  readonly retry?: RetryPolicy | undefined
  readonly idempotencyKey?: string | undefined
}

export interface DeadLetterView {
  readonly id: string
  readonly taskId: string
  readonly kind: string
  readonly status: 'dead' | 'redriven' | 'discarded'
  readonly reason: string
  readonly error: ErrorRecord
  readonly attempts: number
  readonly createdAt: string
  readonly resolvedAt: string | null
}

/** With the task and the history of its attempts. */
export interface DeadLetterDetail extends DeadLetterView {
  readonly task: TaskView
  readonly history: readonly EventView[]
}

export interface RedriveView {
  readonly id: string
  readonly status: 'running' | 'completed' | 'cancelled'
  readonly kind: string | null
  readonly reason: string | null
  readonly ratePerSecond: number | null
  /** Started again so far. */
  readonly count: number
  readonly skipped: number
  readonly createdAt: string
  readonly finishedAt: string | null
}

export interface QueueFigures {
  readonly queued: number
  readonly dead: number
}

export interface QueueView extends QueueFigures {
  readonly name: string
  readonly paused: boolean
  readonly ownPaused: boolean
  /** For the operator: of all tenants. */
  readonly all?: QueueFigures & {
    readonly waiting: number
    readonly delayed: number
    readonly active: number
    readonly inside: number
    readonly room: number
  }
}

export interface QueueRuleView {
  readonly tenantId: string
  readonly partition: string | null
  readonly key: string | null
  readonly paused: boolean
  readonly pausedByOperator: boolean
  readonly concurrency: number | null
  readonly rate: { readonly count: number; readonly per: number } | null
  readonly weight: number | null
  readonly updatedAt: string
}

export interface QueueRulePlace {
  readonly tenantId?: string | undefined
  readonly partition?: string | undefined
  readonly key?: string | undefined
}

export interface QueueRuleChanges extends QueueRulePlace {
  readonly paused?: boolean | undefined
  readonly concurrency?: number | null | undefined
  readonly rate?: { readonly count: number; readonly per: number | string } | null | undefined
  readonly weight?: number | null | undefined
}

export interface WorkflowView {
  readonly name: string
  readonly kind: 'asl' | 'typescript'
  readonly status: 'active' | 'archived'
  readonly version: number
  /** Null for one written in code. */
  readonly createdAt: string | null
  readonly updatedAt: string | null
  /** Only where one workflow was asked for. */
  readonly definition?: Json
  /** What is advised of a definition just sent. */
  readonly warnings?: readonly Finding[]
}

/** What is wrong with a definition, or advised. */
export interface DefinitionFinding {
  readonly severity: 'error' | 'warning'
  readonly code: string
  /** JSON Pointer into the definition. */
  readonly location: string
  readonly state?: string
  readonly field?: string
  readonly message: string
}

export interface ValidationView {
  readonly valid: boolean
  readonly findings: readonly DefinitionFinding[]
  readonly errors: readonly Finding[]
  readonly warnings: readonly Finding[]
}

/** One state tried by itself. */
export interface StateTest {
  /** A state, or a definition with `stateName`. */
  readonly definition: object | string
  readonly format?: 'json' | 'yaml' | undefined
  readonly stateName?: string | undefined
  readonly input?: Json | undefined
  readonly inspectionLevel?: 'INFO' | 'DEBUG' | 'TRACE' | undefined
  /** Stands for what the task, the branches or the iterations would give. */
  readonly mock?:
    | { readonly result?: Json; readonly errorOutput?: { readonly error?: string; readonly cause?: string } }
    | undefined
  readonly context?: object | undefined
  readonly variables?: object | undefined
  readonly stateConfiguration?: object | undefined
}

export interface StateTestView {
  readonly status: 'SUCCEEDED' | 'FAILED' | 'RETRIABLE' | 'CAUGHT_ERROR'
  readonly output?: Json
  readonly error?: string
  readonly cause?: string
  readonly nextState?: string
  readonly inspectionData?: Json
}

/** A task of an activity, for the worker that polled for it. */
export interface ActivityTaskView {
  readonly token: string
  readonly input: Json
  readonly taskId: string
  readonly runId: string | null
  readonly attempt: number
}

export type AgentStatus = 'draft' | 'active' | 'paused' | 'draining' | 'archived'

export interface AgentView {
  readonly name: string
  readonly type: string
  readonly status: AgentStatus
  /** The one that new runs take. */
  readonly latestVersion: number
  /** Only where one agent was asked for. */
  readonly version?: number
  readonly config?: JsonObject
  readonly createdAt: string
  readonly updatedAt: string
}

export interface SkillView {
  readonly name: string
  readonly kind: string
  readonly description: string
  readonly status: string
  readonly version: number
  readonly tools?: readonly { readonly name: string; readonly description: string; readonly inputSchema: JsonSchema }[]
  readonly definition?: Json
  /** Null for a builtin. */
  readonly createdAt: string | null
}

export interface ScheduleView {
  readonly id: string
  readonly name: string
  readonly projectId: string | null
  readonly status: string
  readonly timing: JsonObject
  readonly target: JsonObject
  readonly nextAt: string | null
  readonly fires: number
  readonly failures: number
  readonly createdAt: string
  readonly updatedAt: string
}

/** One time that a schedule fired, or why it did not. */
export interface FireView {
  readonly plannedAt: string
  readonly cause: string
  readonly status: string
  readonly reason: string | null
  readonly runId: string | null
  readonly taskId: string | null
  readonly error: ErrorRecord | null
}

export interface SessionView {
  readonly kind: string
  readonly id: string
  readonly name: string
  readonly tenantId: string
  readonly projectId: string | null
  readonly memberId: string | null
  readonly role: string | null
  readonly permissions: readonly string[]
}

export interface KeyView {
  readonly id: string
  readonly name: string
  readonly projectId: string | null
  /** Instead of scopes. */
  readonly role: string | null
  readonly scopes: readonly string[]
  readonly expiresAt: string | null
  readonly revokedAt: string | null
  readonly rotatedAt: string | null
  /** Until then the secret before the last rotation counts too. */
  readonly previousUntil: string | null
  readonly lastUsedAt: string | null
  readonly createdAt: string
}

export interface NewKeyView extends KeyView {
  /** The secret, in this answer alone. */
  readonly key: string
}

export interface SecretView {
  readonly name: string
  readonly projectId: string | null
  /** Where it may be sent; none: anywhere. */
  readonly hosts: readonly string[]
  readonly version: number
  readonly createdAt: string
  readonly updatedAt: string
}

export interface RotationView {
  /** Of the key that everything is under now. */
  readonly keyId: string
  readonly resealed: Readonly<Record<string, number>>
  readonly isDone: boolean
}

export interface ProjectView {
  readonly id: string
  readonly name: string
  readonly createdAt: string
}
