/** What authors of workflows, tasks, skills and agents import; also the typed client of a running server. */
export type {
  Duration,
  RetryPolicy,
  RunOptions,
  StepCall,
  StepOptions,
  TaskOptions,
  WorkflowContext,
  WorkflowFunction,
} from '../engine/index.ts'
export type { Json, JsonObject, JsonSchema } from '../platform/json.ts'
export { type Client, type ClientOptions, makeClient } from './client.ts'
export {
  type AgentDefinition,
  agent,
  type Definition,
  type FunctionSkillDefinition,
  type FunctionTool,
  functionSkill,
  type InputSchema,
  type TaskCall,
  type TaskDefinition,
  task,
  type WorkflowDefinition,
  workflow,
} from './definitions.ts'
export { ApiError, ConnectionError, DefinitionError, NonRetryableError, RetryableError } from './errors.ts'
export type * from './views.ts'
