/** Skills and their tools: what other domains may use. */
export { makeBuiltinSkills } from './builtin/builtin.ts'
export { skillReferenceErrors } from './errors.ts'
export { makeSkillRoutes } from './routes.ts'
export { makeSandbox } from './sandbox/sandbox.ts'
export { makeSkillService, type SkillService } from './service.ts'
export { type CompileSchema, makeSchemaCompiler } from './tool-input.ts'
export type { ToolInfo } from './types.ts'
