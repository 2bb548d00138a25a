/** HTTP routes of keys and projects. */
import { z } from 'zod'
import type { Routes } from '../platform/http/server.ts'
import { idSchema, nameSchema, timeSchema, toTime, toTimeOrNull } from '../platform/http/views.ts'
import type { TenantService } from './service.ts'
import type { ApiKey, Project, Tenant } from './types.ts'

const keyView = (key: ApiKey) => ({
  id: key.id,
  name: key.name,
  projectId: key.projectId,
  scopes: key.scopes,
  expiresAt: toTimeOrNull(key.expiresAtMs),
  revokedAt: toTimeOrNull(key.revokedAtMs),
  lastUsedAt: toTimeOrNull(key.lastUsedAtMs),
  createdAt: toTime(key.createdAtMs),
})

const projectView = (project: Project) => ({
  id: project.id,
  name: project.name,
  createdAt: toTime(project.createdAtMs),
})

const tenantView = (tenant: Tenant) => ({ id: tenant.id, name: tenant.name, createdAt: toTime(tenant.createdAtMs) })

const newKey = z.strictObject({
  name: nameSchema,
  projectId: idSchema.optional(),
  scopes: z.array(z.string()).min(1).default(['*']).describe('`*`, `*:read`, `runs:*`, `runs:read`, …'),
  expiresAt: timeSchema.optional(),
})

export const makeTenantRoutes =
  (tenants: TenantService): Routes =>
  (server) => {
    const tags = ['keys']
    server.get(
      '/v1/keys',
      { config: { permission: 'keys:read' }, schema: { tags, summary: 'List keys (never their secrets)' } },
      async (request) => ({ items: (await tenants.keys(request.principal.tenantId)).map(keyView), nextCursor: null }),
    )

    server.post(
      '/v1/keys',
      {
        config: { permission: 'keys:write' },
        schema: { tags, summary: 'Make a key; its secret is in this answer alone', body: newKey },
      },
      async (request, reply) => {
        const { name, projectId, scopes, expiresAt } = request.body
        const { apiKey, key } = await tenants.createKey({
          tenantId: request.principal.tenantId,
          projectId: projectId ?? null,
          name,
          scopes,
          expiresAtMs: expiresAt === undefined ? null : Date.parse(expiresAt),
          grantable: request.principal.permissions,
        })
        return reply.code(201).send({ ...keyView(apiKey), key })
      },
    )

    server.delete(
      '/v1/keys/:id',
      {
        config: { permission: 'keys:write' },
        schema: { tags, summary: 'Revoke a key, at once', params: z.object({ id: idSchema }) },
      },
      async (request) => keyView(await tenants.revokeKey(request.principal.tenantId, request.params.id)),
    )

    server.get(
      '/v1/tenants',
      { config: { permission: 'tenants:read' }, schema: { tags: ['tenants'], summary: 'List tenants (operator)' } },
      async () => ({ items: (await tenants.tenants()).map(tenantView), nextCursor: null }),
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
        const { tenant, key } = await tenants.createTenant(request.body.name)
        return reply.code(201).send({ ...tenantView(tenant), key })
      },
    )

    server.get(
      '/v1/projects',
      { config: { permission: 'projects:read' }, schema: { tags: ['projects'], summary: 'List projects' } },
      async (request) => ({
        items: (await tenants.projects(request.principal.tenantId)).map(projectView),
        nextCursor: null,
      }),
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
  }
