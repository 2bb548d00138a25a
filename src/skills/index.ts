/** Skills and their tools: what other domains may use. */
export { type BuiltinOptions, makeBuiltinSkills } from './builtin/builtin.ts'
export { skillErrors, skillReferenceErrors } from './errors.ts'
export { makeSkillRoutes } from './routes.ts'
export { makeSandbox, type Sandbox, type SandboxOptions } from './sandbox/sandbox.ts'
export { makeSkillService, type SkillService, type SkillServiceOptions } from './service.ts'
export { type BuiltinSkill, type Tool, type ToolCall, toolErrors } from './tool.ts'
export { type CompileSchema, makeSchemaCompiler } from './tool-input.ts'
export type {
  FunctionDefinition,
  HttpDefinition,
  NewSkill,
  OwnKind,
  Skill,
  SkillDefinition,
  SkillKind,
  SkillListFilter,
  SkillStatus,
  SkillSummary,
  SkillVersionRequest,
  ToolInfo,
} from './types.ts'
