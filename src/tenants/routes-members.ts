/** HTTP routes of members, of the caller itself, and of signing in and out. */
import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import { ifMatch, sendTagged } from '../platform/http/etag.ts'
import { pageQuery, readPage } from '../platform/http/page.ts'
import type { HttpServer } from '../platform/http/server.ts'
import { idSchema, noContent, toTime, toTimeOrNull } from '../platform/http/views.ts'
import { checkMeant, csrfTokenOf, readCookie } from './cookies.ts'
import { ROLES } from './roles.ts'
import type { TenantService } from './service.ts'
import { MEMBER_STATUSES, type Member } from './types.ts'

const memberView = (member: Member) => ({
  id: member.id,
  email: member.email,
  name: member.name,
  role: member.role,
  status: member.status,
  hasSignedIn: member.subject !== null,
  createdAt: toTime(member.createdAtMs),
  updatedAt: toTime(member.updatedAtMs),
  lastSeenAt: toTimeOrNull(member.lastSeenAtMs),
})

/** Signing in moves by itself: it makes another answer, and is in no change's way. */
const stateOf = ({ id, email, name, role, status, subject, updatedAtMs, lastSeenAtMs }: Member) => ({
  fields: [id, email, name, role, status, updatedAtMs],
  figures: [subject !== null, lastSeenAtMs],
})

const role = z.enum(ROLES)
const name = z.string().min(1).max(200)
const newMember = z.strictObject({ email: z.email().max(320), name: name.optional(), role })
const memberChange = z.strictObject({
  name: name.optional(),
  role: role.optional(),
  status: z.enum(MEMBER_STATUSES).optional(),
})
const params = z.object({ id: idSchema })
const signInQuery = z.strictObject({
  returnTo: z.string().max(2000).optional().describe('A path of this server.'),
  tenant: z.string().max(100).optional().describe('For people who belong to several.'),
})

export const addMemberRoutes = (server: HttpServer, { members }: TenantService): void => {
  const tags = ['members']
  const read = { permission: 'members:read' } as const
  const write = { permission: 'members:write' } as const
  server.get(
    '/v1/members',
    { config: read, schema: { tags, summary: 'List members, newest first', querystring: z.strictObject(pageQuery) } },
    async ({ principal, query }) => readPage(query, (filter) => members.list(principal.tenantId, filter), memberView),
  )
  server.post(
    '/v1/members',
    { config: write, schema: { tags, summary: 'Invite a person, who may then sign in', body: newMember } },
    async (request, reply) => {
      const { principal, body } = request
      return reply.code(201).send(memberView(await members.create(principal.tenantId, body, principal)))
    },
  )
  server.get(
    '/v1/members/:id',
    { config: { ...read, conditional: true }, schema: { tags, summary: 'A member', params } },
    async (request, reply) => {
      const member = await members.find(request.principal.tenantId, request.params.id)
      return sendTagged(request, reply, stateOf(member), memberView(member))
    },
  )
  server.put(
    '/v1/members/:id',
    {
      config: { ...write, conditional: true },
      schema: { tags, summary: 'Change a member; a disabled one is signed out', params, body: memberChange },
    },
    async (request, reply) => {
      const { principal, params: path, body } = request
      const check = ifMatch(request, stateOf)
      const member = await members.update(principal.tenantId, path.id, body, principal, check)
      return sendTagged(request, reply, stateOf(member), memberView(member))
    },
  )
  server.delete(
    '/v1/members/:id',
    {
      config: { ...write, conditional: true },
      schema: { tags, summary: 'Remove a member, with all sessions', params, response: { 204: noContent } },
    },
    async (request, reply) => {
      const { principal, params: path } = request
      await members.remove(principal.tenantId, path.id, principal, ifMatch(request, stateOf))
      return reply.code(204).send()
    },
  )
}

/** Has a cause where the provider is at fault, or the settings are: the operator must find it, and the caller has no use for it. */
const tellWhy =
  (request: FastifyRequest) =>
  (error: unknown): never => {
    if (error instanceof Error && error.cause !== undefined) request.log.warn({ err: error }, 'a sign-in failed')
    throw error
  }

export const addSessionRoutes = (server: HttpServer, { signIn }: TenantService): void => {
  const tags = ['session']
  const cookieOf = (request: { headers: Readonly<Record<string, string | string[] | undefined>> }, cookie: string) =>
    signIn.cookies && readCookie(request, cookie, signIn.cookies)

  server.get(
    '/v1/session',
    { config: { anyCaller: true }, schema: { tags, summary: 'Who the caller is, and what it may do' } },
    async (request) => {
      const { kind, tenantId, projectId, keyId: id, name, memberId, role, permissions } = request.principal
      const token = request.headers.authorization === undefined ? cookieOf(request, 'session') : undefined
      const csrfToken = token === undefined ? null : csrfTokenOf(token)
      return { kind, id, name, tenantId, projectId, memberId, role, permissions: [...permissions].sort(), csrfToken }
    },
  )
  server.get(
    '/auth/sign-in',
    {
      config: { public: true },
      schema: { tags, summary: 'Sign in at the identity provider', querystring: signInQuery },
    },
    async (request, reply) => {
      const { url, cookies } = await signIn.begin(request.query).catch(tellWhy(request))
      return reply.header('set-cookie', cookies).header('cache-control', 'no-store').redirect(url)
    },
  )
  server.get(
    '/auth/callback',
    { config: { public: true }, schema: { tags, summary: 'Where the identity provider sends people back to' } },
    async (request, reply) => {
      const query = request.url.includes('?') ? request.url.slice(request.url.indexOf('?')) : ''
      const from = { address: request.ip, userAgent: request.headers['user-agent']?.slice(0, 300) ?? null }
      const finished = signIn.finish(query, cookieOf(request, 'sign_in'), from)
      const { returnTo, cookies, member, refusedRole } = await finished.catch(tellWhy(request))
      if (refusedRole !== undefined) {
        const facts = { tenantId: member.tenantId, memberId: member.id, refusedRole }
        request.log.warn(facts, 'the identity provider would take the last owner from a tenant; the member stays one')
      }
      return reply.header('set-cookie', cookies).header('cache-control', 'no-store').redirect(returnTo)
    },
  )
  server.post(
    '/auth/sign-out',
    {
      config: { public: true },
      schema: { tags, summary: 'End the session of the cookie', response: { 204: noContent } },
    },
    async (request, reply) => {
      const token = cookieOf(request, 'session')
      if (token !== undefined && signIn.cookies) checkMeant(request, token, signIn.cookies)
      return reply
        .header('set-cookie', await signIn.end(token))
        .code(204)
        .send()
    },
  )
}
