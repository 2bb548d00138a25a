/** HTTP routes of keys and projects. */
import { z } from 'zod'
import { pageQuery, readPage } from '../platform/http/page.ts'
import type { Routes } from '../platform/http/server.ts'
import { idSchema, nameSchema, timeSchema, toTime, toTimeOrNull } from '../platform/http/views.ts'
import { ROLES } from './roles.ts'
import { addMemberRoutes, addSessionRoutes } from './routes-members.ts'
import type { TenantService } from './service.ts'
import type { ApiKey, Project, Tenant } from './types.ts'

const keyView = (key: ApiKey) => ({
  id: key.id,
  name: key.name,
  projectId: key.projectId,
  role: key.role,
  scopes: key.scopes,
  expiresAt: toTimeOrNull(key.expiresAtMs),
  revokedAt: toTimeOrNull(key.revokedAtMs),
  rotatedAt: toTimeOrNull(key.rotatedAtMs),
  previousUntil: toTimeOrNull(key.previousUntilMs),
  lastUsedAt: toTimeOrNull(key.lastUsedAtMs),
  createdAt: toTime(key.createdAtMs),
})

const projectView = (project: Project) => ({
  id: project.id,
  name: project.name,
  createdAt: toTime(project.createdAtMs),
})

const tenantView = (tenant: Tenant) => ({ id: tenant.id, name: tenant.name, createdAt: toTime(tenant.createdAtMs) })

const querystring = z.strictObject(pageQuery)

const newKey = z
  .strictObject({
    name: nameSchema,
    projectId: idSchema.optional(),
    role: z.enum(ROLES).optional().describe('Instead of scopes; the key follows what the role may do.'),
    scopes: z
      .array(z.string().max(100))
      .min(1)
      .max(100)
      .optional()
      .describe('`*`, `*:read`, `runs:*`, `runs:read`, …; default `*`'),
    expiresAt: timeSchema.optional(),
  })
  .refine(({ role, scopes }) => role === undefined || scopes === undefined, 'give a role or scopes, not both')

const HOUR_MS = 3_600_000
const rotation = z.strictObject({
  keepOldHours: z.number().min(0).max(720).default(24).describe('How long the secret before counts too.'),
})

export const makeTenantRoutes =
  (tenants: TenantService): Routes =>
  (server) => {
    const tags = ['keys']
    server.get(
      '/v1/keys',
      {
        config: { permission: 'keys:read' },
        schema: { tags, summary: 'List keys, newest first (never their secrets)', querystring },
      },
      async ({ principal, query }) => readPage(query, (filter) => tenants.keys.list(principal, filter), keyView),
    )

    server.post(
      '/v1/keys',
      {
        config: { permission: 'keys:write' },
        schema: { tags, summary: 'Make a key; its secret is in this answer alone', body: newKey },
      },
      async (request, reply) => {
        const { principal } = request
        const { name, projectId = principal.projectId, role, scopes = ['*'], expiresAt } = request.body
        const { apiKey, key } = await tenants.keys.create({
          tenantId: principal.tenantId,
          projectId,
          name,
          role,
          scopes,
          expiresAtMs: expiresAt === undefined ? null : Date.parse(expiresAt),
          maker: principal,
        })
        return reply.code(201).send({ ...keyView(apiKey), key })
      },
    )

    server.post(
      '/v1/keys/:id/rotate',
      {
        config: { permission: 'keys:write' },
        schema: {
          tags,
          summary: 'Give a key another secret, which is in this answer alone; the one before counts a while longer',
          params: z.object({ id: idSchema }),
          body: rotation,
        },
      },
      async ({ principal, params, body }) => {
        const keepOldMs = Math.round(body.keepOldHours * HOUR_MS)
        const { apiKey, key } = await tenants.keys.rotate(principal, params.id, keepOldMs, principal)
        return { ...keyView(apiKey), key }
      },
    )

    server.delete(
      '/v1/keys/:id',
      {
        config: { permission: 'keys:write' },
        schema: { tags, summary: 'Revoke a key, at once', params: z.object({ id: idSchema }) },
      },
      async (request) => keyView(await tenants.keys.revoke(request.principal, request.params.id, request.principal)),
    )

    server.get(
      '/v1/tenants',
      {
        config: { permission: 'tenants:read' },
        schema: { tags: ['tenants'], summary: 'List tenants, newest first (operator)', querystring },
      },
      async ({ query }) => readPage(query, tenants.tenants, tenantView),
    )

    server.post(
      '/v1/tenants',
      {
        config: { permission: 'tenants:write' },
        schema: {
          tags: ['tenants'],
          summary: 'Make a tenant (operator); the secret of its first key is in this answer alone',
          body: z.strictObject({ name: nameSchema }),
        },
      },
      async (request, reply) => {
        const { tenant, key } = await tenants.createTenant(request.body.name, request.principal)
        return reply.code(201).send({ ...tenantView(tenant), key })
      },
    )

    server.get(
      '/v1/projects',
      {
        config: { permission: 'projects:read' },
        schema: { tags: ['projects'], summary: 'List projects, newest first', querystring },
      },
      async ({ principal, query }) => readPage(query, (filter) => tenants.projects(principal, filter), projectView),
    )

    server.post(
      '/v1/projects',
      {
        config: { permission: 'projects:write' },
        schema: { tags: ['projects'], summary: 'Make a project', body: z.strictObject({ name: nameSchema }) },
      },
      async (request, reply) =>
        reply.code(201).send(projectView(await tenants.createProject(request.principal.tenantId, request.body.name))),
    )

    addMemberRoutes(server, tenants)
    addSessionRoutes(server, tenants)
  }
