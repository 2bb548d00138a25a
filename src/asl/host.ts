/**
 * The port between the interpreter and whatever runs it. The interpreter is a deterministic function of what the host
 * answers: no timers, no clock, no randomness, no I/O of its own. To replay a run, answer the same keys with the same
 * values in the same order, and let the run settle (all microtasks done) between two answers.
 */
import type { Json, JsonObject } from '../platform/json.ts'

export interface AslHost {
  /**
   * Does one task and resolves with its JSON output; rejects with an `AslError`. The host enforces `timeoutMs` and
   * `heartbeatMs` (it alone sees heartbeats) by rejecting with `States.Timeout` or `heartbeatTimedOut()`. It may throw
   * at once, say an `EngineError` named `States.Runtime`, for a resource that does not exist: nothing was scheduled then.
   */
  task(request: TaskRequest): Promise<Json>
  /** Resolves when the host's clock has reached that time. May reject or stay pending once the signal is aborted. */
  sleepUntil(key: string, atMs: number, signal?: AbortSignal): Promise<void>
  /** Epoch milliseconds; the same on replay. */
  now(): number
  /** A number in [0, 1); the same on replay. */
  random(): number
  /** A UUID v4; the same on replay. */
  uuid(): string
  /**
   * Lets other work of the process go first; called once in a while by runs that make many transitions without waiting.
   * Until it resolves the host must not deliver other answers to this run, or replay could take another order.
   */
  pause?(): Promise<void>
  /** The token of a callback task; by default it is made of the task's key. */
  taskToken?(key: string): string
  /** Told of every transition, in order. Must be cheap and must not throw. */
  onTransition?(transition: Transition): void
  /** Opens the data set of a distributed Map. Without it a Map that has an `ItemReader` fails with `States.ItemReaderFailed`. */
  openItems?(request: OpenItemsRequest): Promise<ItemSource>
  /** Opens the place for the results of a distributed Map. Without it a `ResultWriter` fails with `States.ResultWriterFailed`. */
  openResults?(request: OpenResultsRequest): Promise<ResultSink>
  /**
   * Runs some children of a distributed Map elsewhere, by `runItems`, and resolves with their outcomes in the same order; or, where
   * the request has a place for results and they were written there, with a summary. Without it they run in place, as part of the run.
   */
  childRun?(request: ChildRunRequest): Promise<ChildOutcome[] | GroupSummary>
}

export interface TaskRequest {
  /** Unique within the run and the same on replay: the state's path, Map index or branch, and the count of its calls. */
  readonly key: string
  readonly state: string
  readonly resource: string
  readonly input: Json
  readonly timeoutMs?: number
  readonly heartbeatMs?: number
  /** The task ends when somebody reports success or failure for `taskToken`; the resource's own answer is not its result. */
  readonly waitForToken?: boolean
  readonly taskToken?: string
  readonly credentials?: Json
  /** 0 for the first try, then 1, 2 … */
  readonly retryCount: number
  readonly signal?: AbortSignal
}

export interface OpenItemsRequest {
  readonly key: string
  readonly state: string
  readonly resource: string
  readonly parameters: Json
  /** `ReaderConfig` with its paths resolved: InputType, CSVHeaderLocation, CSVHeaders, MaxItems … */
  readonly config: JsonObject
  readonly signal?: AbortSignal
}

export interface ItemSource {
  /** How many items there are, when the host knows. */
  readonly count?: number
  /** The items from `offset` on, at most `limit`; an empty page is the end. The same on replay. */
  page(offset: number, limit: number): Promise<readonly Json[]>
  /** Where an item that a page has given comes from, for `Source` of the context object: `s3://bucket/key`. */
  sourceOf?(index: number): string | undefined
}

export interface OpenResultsRequest {
  readonly key: string
  readonly state: string
  /** Empty when the definition only has a `WriterConfig`. */
  readonly resource: string
  readonly parameters: Json
  readonly config: JsonObject
  readonly signal?: AbortSignal
}

/** Takes the results of a distributed Map piece by piece, so that they need not all be held at once. */
export interface ResultSink {
  /** As data, for children that run elsewhere: they may write by themselves what they gave. */
  readonly place?: Json
  /** Called for each group of children when it has ended, in no particular order. */
  write(children: readonly ChildItem[], outcomes: readonly ChildOutcome[]): Promise<void>
  /** Told, instead of `write`, what a group has written by itself. */
  wrote?(written: Json): Promise<void>
  /** Ends the writing and gives the result of the Map: where the results are. */
  close(summary: { readonly succeeded: number; readonly failed: number }): Promise<Json>
}

export interface ChildRunRequest {
  /** Unique within the run and the same on replay. */
  readonly key: string
  readonly state: string
  /** JSON Pointer of the Map's item processor in the definition, for `runItems`. */
  readonly pointer: string
  readonly executionType: 'STANDARD' | 'EXPRESS'
  /** `Label` of the Map, or its name. */
  readonly label: string
  readonly items: readonly ChildItem[]
  /** How many of them may run at once. */
  readonly concurrency: number
  /** More failures than this, counted by items, fail the Map: the rest need not be started. */
  readonly toleratedFailures: number
  /** `place` of the result sink, where it has one. */
  readonly results?: Json
  readonly signal?: AbortSignal
}

/** What a group of children says of itself when its results are in their place already. */
export interface GroupSummary {
  readonly succeeded: number
  readonly failed: number
  /** The items in them, where children are batches. */
  readonly items?: { readonly succeeded: number; readonly failed: number }
  /** For `ResultSink.wrote`. */
  readonly written: Json
}

/** One child execution of a distributed Map: its number and its input. */
export interface ChildItem {
  readonly index: number
  readonly input: Json
  /** How many items it stands for, where it is a batch: failures are tolerated by items. */
  readonly items?: number
}

export type ChildOutcome =
  | { readonly status: 'SUCCEEDED'; readonly output: Json }
  | { readonly status: 'FAILED'; readonly error?: string; readonly cause?: string }

export type TransitionType =
  | `${'Pass' | 'Task' | 'Choice' | 'Wait' | 'Succeed' | 'Parallel' | 'Map'}State${'Entered' | 'Exited'}`
  | 'FailStateEntered'
  | `Task${'Scheduled' | 'Succeeded' | 'Failed' | 'TimedOut'}`
  | `Parallel${'StateStarted' | 'StateSucceeded' | 'StateFailed'}`
  | `Map${'StateStarted' | 'StateSucceeded' | 'StateFailed'}`
  | `MapIteration${'Started' | 'Succeeded' | 'Failed'}`
  | `MapRun${'Started' | 'Progress' | 'Succeeded' | 'Failed'}`
  | `Execution${'Started' | 'Succeeded' | 'Failed' | 'TimedOut'}`
  | 'EvaluationFailed'
  | 'RetryScheduled'

/** One event of the timeline. Names are those of the service's execution history, where it has one. */
export interface Transition {
  readonly type: TransitionType
  /** The scope it happened in: '' for the run itself, `ForEach[3]` for an iteration, `Both[0]/Inner[2]` deeper down. */
  readonly scope: string
  readonly state?: string
  readonly input?: Json
  readonly output?: Json
  readonly assigned?: JsonObject
  readonly resource?: string
  readonly key?: string
  readonly timeoutMs?: number
  readonly heartbeatMs?: number
  readonly credentials?: Json
  readonly index?: number
  readonly length?: number
  /** For `MapRunProgress`: children that have ended so far. */
  readonly succeeded?: number
  readonly failed?: number
  readonly error?: string
  readonly cause?: string
  readonly field?: string
  /** For `RetryScheduled`: when the next try begins, and its number. */
  readonly atMs?: number
  readonly retryCount?: number
}
