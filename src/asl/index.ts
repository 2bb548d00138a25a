/** The States Language as a library: read, check and compile a definition, then run it over a host. */
export { compile, type Program } from './compile.ts'
export { type ParsedDefinition, parseDefinition } from './definition.ts'
export { AslError, EngineError, heartbeatTimedOut, STATES } from './errors.ts'
export { type Finding, InvalidDefinition } from './finding.ts'
export type {
  AslHost,
  ChildItem,
  ChildOutcome,
  ChildRunRequest,
  GroupSummary,
  ItemSource,
  OpenItemsRequest,
  OpenResultsRequest,
  ResultSink,
  TaskRequest,
  Transition,
} from './host.ts'
export { makeItemParser, parseItems } from './items/item-parser.ts'
export { shapeResults } from './items/result-record.ts'
export { defaultRunLimits, type RunLimits } from './limits.ts'
export { type RunContext, type RunOptions, type RunResult, run } from './run.ts'
export { countItems } from './run-children.ts'
export { runItems } from './run-items.ts'
export { schema } from './schema.ts'
export type {
  StateTest,
  StateTestResult,
} from './test-state/request.ts'
export { testState } from './test-state/test-state.ts'
export { validate } from './validate/validate.ts'
export { variableReferences } from './validate/variables.ts'
