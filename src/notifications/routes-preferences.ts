/** HTTP routes of members' preferences. Everybody may see and change his own; those of others ask for more. */
import { z } from 'zod'
import { ifMatch, sendTagged } from '../platform/http/etag.ts'
import { mayNot, type Principal } from '../platform/http/principal.ts'
import type { HttpServer } from '../platform/http/server.ts'
import { idSchema, noContent, toTime } from '../platform/http/views.ts'
import { notificationErrors } from './errors.ts'
import type { NotificationService } from './service.ts'
import type { MemberPreferences } from './types.ts'

const view = ({ tenantId: _, updatedAtMs, ...preferences }: MemberPreferences) => ({
  ...preferences,
  updatedAt: toTime(updatedAtMs),
})

const stateOf = (current: MemberPreferences | undefined) => ({
  fields: current
    ? [
        current.memberId,
        current.channelId,
        current.timeZone,
        current.quietHours && [current.quietHours.from, current.quietHours.to],
        current.digest && [current.digest.every, current.digest.every === 'day' ? current.digest.at : null],
        current.errorsAtOnce,
        current.updatedAtMs,
      ]
    : [],
})

const time = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'must be a time such as 22:00')
const preferencesBody = z.strictObject({
  channelId: idSchema.nullable().default(null).describe('Instead of the channel of the subscription.'),
  timeZone: z.string().min(1).max(100).default('UTC').describe('IANA, such as Europe/Berlin.'),
  quietHours: z
    .strictObject({ from: time, to: time })
    .nullable()
    .default(null)
    .describe('What comes then is told at their end.'),
  digest: z
    .discriminatedUnion('every', [
      z.strictObject({ every: z.literal('hour') }),
      z.strictObject({ every: z.literal('day'), at: time }),
    ])
    .nullable()
    .default(null)
    .describe('All that comes until then is told together.'),
  errorsAtOnce: z.boolean().default(true).describe('What is of severity error waits for neither.'),
})
const params = z.object({ memberId: idSchema.describe('A member; `me` is the one who calls.') })
/** Enough for one's own; see `memberOf`. */
const OWN = { permission: 'notifications:read' } as const

/** Whose preferences a call is about, checked against who calls. A person sees his own alone, unless he may change notifications. */
const memberOf = (principal: Principal, asked: string, isChange: boolean): string => {
  if (asked === 'me' && principal.memberId === null)
    throw notificationErrors.preferences_not_allowed('"me" is a member: this call was made with a key')
  const memberId = asked === 'me' ? (principal.memberId as string) : asked
  const isOwn = memberId === principal.memberId
  if (isOwn || principal.permissions.has('notifications:write')) return memberId
  if (isChange || principal.memberId !== null) throw mayNot('notifications:write')
  return memberId
}

export const addPreferenceRoutes = (server: HttpServer, { preferences }: NotificationService): void => {
  const tags = ['preferences']
  const url = '/v1/notification-preferences/:memberId'
  server.get(
    url,
    { config: { ...OWN, conditional: true }, schema: { tags, summary: 'How a member wants to be told', params } },
    async (request, reply) => {
      const memberId = memberOf(request.principal, request.params.memberId, false)
      const found = await preferences.find(request.principal.tenantId, memberId)
      return sendTagged(request, reply, stateOf(found), view(found))
    },
  )
  server.put(
    url,
    {
      config: { ...OWN, conditional: true },
      schema: {
        tags,
        summary: 'Say how a member wants to be told: channel, quiet hours, digest',
        params,
        body: preferencesBody,
      },
    },
    async (request, reply) => {
      const memberId = memberOf(request.principal, request.params.memberId, true)
      const { tenantId, memberId: callerId } = request.principal
      const wanted = await preferences.set(tenantId, memberId, request.body, callerId, ifMatch(request, stateOf))
      return sendTagged(request, reply, stateOf(wanted), view(wanted))
    },
  )
  server.delete(
    url,
    {
      config: { ...OWN, conditional: true },
      schema: {
        tags,
        summary: 'Back to: at once, through the channel of the subscription',
        params,
        response: { 204: noContent },
      },
    },
    async (request, reply) => {
      const memberId = memberOf(request.principal, request.params.memberId, true)
      await preferences.remove(request.principal.tenantId, memberId, ifMatch(request, stateOf))
      return reply.code(204).send()
    },
  )
}
