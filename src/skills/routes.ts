/** HTTP routes of skills. */
import { z } from 'zod'
import { ifMatch, sendTagged } from '../platform/http/etag.ts'
import { pageQuery, readPage } from '../platform/http/page.ts'
import type { Routes } from '../platform/http/server.ts'
import { toTime } from '../platform/http/views.ts'
import { LONGEST_DESCRIPTION } from './content.ts'
import { LONGEST_SKILL_NAME, nameRule } from './names.ts'
import type { SkillService } from './service.ts'
import { OWN_KINDS, SKILL_KINDS, SKILL_STATUSES, type Skill, type SkillSummary } from './types.ts'

const timeOf = (skill: SkillSummary, ms: number): string | null => (skill.kind === 'builtin' ? null : toTime(ms))

const summaryView = (skill: SkillSummary) => ({
  name: skill.name,
  kind: skill.kind,
  status: skill.status,
  version: skill.version,
  description: skill.description,
  projectId: skill.projectId,
  createdAt: timeOf(skill, skill.createdAtMs),
  updatedAt: timeOf(skill, skill.updatedAtMs),
})

const skillView = (skill: Skill) => ({ ...summaryView(skill), tools: skill.tools, definition: skill.definition })

const stateOf = ({ id, status, updatedAtMs }: Pick<SkillSummary, 'id' | 'status' | 'updatedAtMs'>) => ({
  fields: [id, status, updatedAtMs],
})
/** Another version is another answer, but no other skill. */
const answerState = (skill: Skill) => ({ ...stateOf(skill), figures: [skill.version] })

const description = z.string().describe(`For people and models; at most ${LONGEST_DESCRIPTION} characters.`).optional()
// The form depends on the kind: the service checks it and says precisely what is wrong.
const definition = z
  .record(z.string(), z.unknown())
  .describe(
    'http: { baseUrl?, headers?, timeoutMs?, tools }; function: { source, tools, limits? }. See docs/skills.md.',
  )
const newSkill = z.strictObject({
  name: z.string().describe(`${nameRule(LONGEST_SKILL_NAME)}.`),
  kind: z.enum(OWN_KINDS),
  description,
  definition,
})
const newVersion = z.strictObject({ description, definition })
const params = z.object({ name: z.string().max(100) })
const versionQuery = z.strictObject({
  version: z.coerce.number().int().min(1).max(999_999_999).optional().describe('The current one if left out.'),
})
const listQuery = z.strictObject({
  kind: z.enum(SKILL_KINDS).optional(),
  status: z.enum(SKILL_STATUSES).optional(),
  ...pageQuery,
})

export const makeSkillRoutes =
  (skills: SkillService): Routes =>
  (server) => {
    const tags = ['skills']
    server.get(
      '/v1/skills',
      {
        config: { permission: 'skills:read' },
        schema: { tags, summary: 'List skills, newest first, the builtin ones last', querystring: listQuery },
      },
      async ({ principal, query }) => readPage(query, (filter) => skills.list(principal, filter), summaryView),
    )

    server.post(
      '/v1/skills',
      {
        config: { permission: 'skills:write' },
        schema: { tags, summary: 'Make a skill, version 1', body: newSkill },
      },
      async (request, reply) => {
        const { tenantId, projectId } = request.principal
        return reply.code(201).send(skillView(await skills.create(tenantId, projectId, request.body)))
      },
    )

    server.get(
      '/v1/skills/:name',
      {
        config: { permission: 'skills:read', conditional: true },
        schema: { tags, summary: 'A skill with its tools and definition', params, querystring: versionQuery },
      },
      async (request, reply) => {
        const skill = await skills.find(request.principal, request.params.name, request.query.version)
        return sendTagged(request, reply, answerState(skill), skillView(skill))
      },
    )

    server.put(
      '/v1/skills/:name',
      {
        config: { permission: 'skills:write', conditional: true },
        schema: {
          tags,
          summary: 'Add the next version; nothing when nothing differs. An archived skill is in use again',
          params,
          body: newVersion,
        },
      },
      async (request, reply) => {
        const { principal, params: path, body } = request
        const skill = await skills.addVersion(principal, path.name, body, ifMatch(request, stateOf))
        return sendTagged(request, reply, answerState(skill), skillView(skill))
      },
    )

    server.delete(
      '/v1/skills/:name',
      {
        config: { permission: 'skills:write', conditional: true },
        schema: { tags, summary: 'Archive a skill: no new use of it; calls under way finish', params },
      },
      async (request, reply) => {
        const { principal, params: path } = request
        const skill = await skills.archive(principal, path.name, ifMatch(request, stateOf))
        return sendTagged(request, reply, answerState(skill), skillView(skill))
      },
    )
  }
