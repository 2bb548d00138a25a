/** HTTP routes of channels and subscriptions. Those of deliveries and of the inbox are in their own files. */
import { z } from 'zod'
import { ifMatch, sendTagged } from '../platform/http/etag.ts'
import { pageQuery, readPage } from '../platform/http/page.ts'
import type { HttpServer, Routes } from '../platform/http/server.ts'
import { idSchema, nameSchema, noContent, toTime } from '../platform/http/views.ts'
import { secretReferenceSchema } from '../secrets/index.ts'
import { CATALOGUE, SEVERITIES, schemaOf } from './catalogue.ts'
import { notificationErrors } from './errors.ts'
import { addDeliveryRoutes, deliveryView } from './routes-deliveries.ts'
import { addInboxRoutes } from './routes-inbox.ts'
import { addPreferenceRoutes } from './routes-preferences.ts'
import { addTemplateRoutes } from './routes-templates.ts'
import type { NotificationService } from './service.ts'
import { type Channel, ENVELOPES, MAIL_SECURITY, type Subscription } from './types.ts'

const HOUR_MS = 3_600_000
const SECOND_MS = 1000

/** What is shown of where a channel leads. Never a secret. */
const addressOf = ({ config }: Channel) => {
  switch (config.kind) {
    case 'webhook':
      return { url: config.url }
    case 'slack':
      // The path of Slack's address is a secret.
      return { url: config.host === null ? config.sealedUrl : `https://${config.host}/…` }
    case 'email': {
      if (config.server === null) return { url: null, to: config.to, server: null }
      const { sealedPassword, ...server } = config.server
      return { url: null, to: config.to, server: { ...server, hasPassword: sealedPassword !== null } }
    }
    case 'inbox':
      return { url: null }
  }
}

const channelView = (channel: Channel) => ({
  id: channel.id,
  name: channel.name,
  kind: channel.config.kind,
  status: channel.status,
  reason: channel.reason,
  ...addressOf(channel),
  settings: channel.settings,
  projectId: channel.projectId,
  createdAt: toTime(channel.createdAtMs),
  updatedAt: toTime(channel.updatedAtMs),
})

const stateOf = ({ id, name, status, config, settings }: Channel) => ({ fields: [id, name, status, config, settings] })

const subscriptionView = (subscription: Subscription) => ({
  id: subscription.id,
  channelId: subscription.channelId,
  projectId: subscription.projectId,
  types: subscription.types,
  severity: subscription.severity,
  memberId: subscription.memberId,
  dedup: subscription.dedup && { key: subscription.dedup.key, windowSeconds: subscription.dedup.windowMs / SECOND_MS },
  createdAt: toTime(subscription.createdAtMs),
})

const url = z.string().min(1).max(2000)
const secretUrl = z.union([url, secretReferenceSchema])
const settings = z
  .strictObject({
    envelope: z.enum(ENVELOPES).optional().describe('Of a webhook: `standard`, or `cloudevents` (1.0, structured).'),
    templateId: idSchema.nullable().optional().describe('Gives the text of Slack, email and inbox messages.'),
    ratePerMinute: z
      .number()
      .int()
      .min(1)
      .max(6000)
      .nullable()
      .optional()
      .describe('Calls in a minute, evenly spaced.'),
  })
  .optional()
const address = z.email().max(320)
const to = z.array(address).min(1).max(20)
const server = z
  .strictObject({
    host: z.string().regex(/^[a-zA-Z0-9]([a-zA-Z0-9.:-]{0,251}[a-zA-Z0-9])?$/, 'must be a host name or an address'),
    port: z.number().int().min(1).max(65_535).default(587),
    security: z.enum(MAIL_SECURITY).default('starttls'),
    user: z.string().min(1).max(320).optional(),
    password: z
      .union([z.string().min(1).max(1000), secretReferenceSchema])
      .optional()
      .describe('Kept sealed, and never shown; or a secret by its name.'),
    from: address,
  })
  .describe('A mail server; the one of the operator if left out.')
const newChannel = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('webhook'), name: nameSchema, url, settings }),
  z.strictObject({ kind: z.literal('slack'), name: nameSchema, url: secretUrl, settings }),
  z.strictObject({ kind: z.literal('email'), name: nameSchema, to, server: server.optional(), settings }),
  z.strictObject({ kind: z.literal('inbox'), name: nameSchema, settings }),
])
const changedChannel = z.strictObject({
  name: nameSchema.optional(),
  url: secretUrl.optional(),
  to: to.optional(),
  server: server.nullable().optional(),
  settings,
})
const newSubscription = z.strictObject({
  channelId: idSchema,
  types: z
    .array(z.string().min(1).max(100))
    .min(1)
    .max(50)
    .describe(
      'Event types; `*` stands for any letters: `run.*`, `*.failed`, `*`. GET /v1/subscriptions/types has all.',
    ),
  projectId: idSchema.optional().describe('Only events of this project; of all if left out.'),
  severity: z.enum(SEVERITIES).default('debug').describe('The least severity.'),
  memberId: idSchema.optional().describe('For whom: his preferences decide about channel, quiet hours and digest.'),
  dedup: z
    .strictObject({
      key: z.string().min(1).max(500).describe('Liquid, as in templates: `{{ type }}:{{ data.target }}`.'),
      windowSeconds: z.number().int().min(1).max(2_592_000),
    })
    .optional()
    .describe('Events with the same key within the window are told of once.'),
})
const params = z.object({ id: idSchema })
const READ = { permission: 'notifications:read' } as const
const WRITE = { permission: 'notifications:write' } as const

const addChannelRoutes = (server: HttpServer, notifications: NotificationService): void => {
  const tags = ['channels']
  const { channels } = notifications
  server.get(
    '/v1/channels',
    {
      config: READ,
      schema: { tags, summary: 'List channels, newest first', querystring: z.strictObject(pageQuery) },
    },
    async ({ principal, query }) => readPage(query, (filter) => channels.list(principal, filter), channelView),
  )
  server.post(
    '/v1/channels',
    {
      config: WRITE,
      schema: { tags, summary: 'Make a channel; the secret of a webhook is in this answer alone', body: newChannel },
    },
    async (request, reply) => {
      const { tenantId, projectId } = request.principal
      const { channel, secret } = await channels.create(tenantId, projectId, request.body)
      return reply.code(201).send({ ...channelView(channel), ...(secret !== null && { secret }) })
    },
  )
  server.get(
    '/v1/channels/:id',
    { config: { ...READ, conditional: true }, schema: { tags, summary: 'A channel', params } },
    async (request, reply) => {
      const channel = await channels.find(request.principal, request.params.id)
      return sendTagged(request, reply, stateOf(channel), channelView(channel))
    },
  )
  server.put(
    '/v1/channels/:id',
    {
      config: { ...WRITE, conditional: true },
      schema: {
        tags,
        summary: 'Change the name, the address or the settings',
        params,
        body: changedChannel,
      },
    },
    async (request, reply) => {
      const { principal, params: path, body } = request
      const channel = await channels.update(principal, path.id, body, ifMatch(request, stateOf))
      return sendTagged(request, reply, stateOf(channel), channelView(channel))
    },
  )
  server.post(
    '/v1/channels/:id/rotate',
    {
      config: WRITE,
      schema: {
        tags,
        summary: 'Make a new secret, in this answer alone; the old one signs, too, for a while',
        params,
        body: z.strictObject({ keepOldHours: z.number().min(0).max(720).default(24) }),
      },
    },
    async (request) => {
      const keepOldMs = request.body.keepOldHours * HOUR_MS
      const { channel, secret } = await channels.rotate(request.principal, request.params.id, keepOldMs)
      return { ...channelView(channel), secret }
    },
  )
  server.post(
    '/v1/channels/:id/enable',
    { config: WRITE, schema: { tags, summary: 'Use a disabled channel again', params } },
    async (request) => channelView(await channels.enable(request.principal, request.params.id)),
  )
  server.post(
    '/v1/channels/:id/disable',
    { config: WRITE, schema: { tags, summary: 'Send nothing to it any more', params } },
    async (request) => channelView(await channels.disable(request.principal, request.params.id, 'disabled by hand')),
  )
  server.post(
    '/v1/channels/:id/test',
    { config: WRITE, schema: { tags, summary: 'Send a test; look at the delivery for how it went', params } },
    async (request, reply) =>
      reply.code(202).send(deliveryView(await notifications.test(request.principal, request.params.id))),
  )
  server.delete(
    '/v1/channels/:id',
    {
      config: { ...WRITE, conditional: true },
      schema: { tags, summary: 'Delete a channel and its subscriptions', params, response: { 204: noContent } },
    },
    async (request, reply) => {
      await channels.remove(request.principal, request.params.id, ifMatch(request, stateOf))
      return reply.code(204).send()
    },
  )
}

const addSubscriptionRoutes = (server: HttpServer, { channels }: NotificationService): void => {
  const tags = ['subscriptions']
  server.get(
    '/v1/subscriptions/types',
    {
      config: READ,
      schema: {
        tags,
        summary: 'All event types: what they tell, their severity and data',
        description: 'Always all, in one page: it is the catalogue of this version, and does not grow with use.',
      },
    },
    async () => ({
      items: Object.entries(CATALOGUE).map(([type, entry]) => ({ type, ...entry, schema: schemaOf(type) })),
      nextCursor: null,
    }),
  )
  server.get(
    '/v1/subscriptions',
    {
      config: READ,
      schema: {
        tags,
        summary: 'List subscriptions, newest first',
        querystring: z.strictObject({ channelId: idSchema.optional(), ...pageQuery }),
      },
    },
    async ({ principal, query }) =>
      readPage(query, (filter) => channels.subscriptions(principal, filter), subscriptionView),
  )
  server.post(
    '/v1/subscriptions',
    {
      config: WRITE,
      schema: { tags, summary: 'Tell a channel of events that happen from now on', body: newSubscription },
    },
    async (request, reply) => {
      const { projectId: own } = request.principal
      const { projectId = own, ...rest } = request.body
      if (own !== null && projectId !== own)
        throw notificationErrors.project_not_allowed(`this key belongs to the project ${own}`)
      const dedup = rest.dedup && { key: rest.dedup.key, windowMs: rest.dedup.windowSeconds * SECOND_MS }
      const wanted = { ...rest, projectId, dedup }
      return reply
        .code(201)
        .send(subscriptionView(await channels.subscribe(request.principal, wanted, request.principal.memberId)))
    },
  )
  server.get(
    '/v1/subscriptions/:id',
    { config: READ, schema: { tags, summary: 'A subscription', params } },
    async (request) => subscriptionView(await channels.findSubscription(request.principal, request.params.id)),
  )
  server.delete(
    '/v1/subscriptions/:id',
    { config: WRITE, schema: { tags, summary: 'Delete a subscription', params, response: { 204: noContent } } },
    async (request, reply) => {
      await channels.unsubscribe(request.principal, request.params.id)
      return reply.code(204).send()
    },
  )
}

export const makeNotificationRoutes =
  (notifications: NotificationService): Routes =>
  (server) => {
    addChannelRoutes(server, notifications)
    addSubscriptionRoutes(server, notifications)
    addDeliveryRoutes(server, notifications)
    addInboxRoutes(server, notifications)
    addTemplateRoutes(server, notifications)
    addPreferenceRoutes(server, notifications)
  }
