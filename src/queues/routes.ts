/** HTTP routes of queues: what waits in them, their pauses, and the rules by which work is let in. */
import { z } from 'zod'
import { parseDuration } from '../engine/index.ts'
import { type PageOrder, pageQuery, readPageBy } from '../platform/http/page.ts'
import type { Principal } from '../platform/http/principal.ts'
import type { Routes } from '../platform/http/server.ts'
import { durationSchema, idSchema, noContent, toTime } from '../platform/http/views.ts'
import { PARTITIONS, type Partition, type Queue } from '../platform/queue/queue.ts'
import type { Window } from '../platform/queue/window.ts'
import type { Owner } from '../platform/scope.ts'
import { queueErrors } from './errors.ts'
import { partitionNamed, type QueueService, type RuleAuthor, type RuleChanges } from './service.ts'
import { isPause, type QueueRule, type RulePlace } from './types.ts'

export interface QueueRoutesOptions {
  readonly queues: QueueService
  readonly queue: Queue
  readonly window: Window
  /** The tenant of whoever runs the installation. */
  operatorId(): string | undefined
  /** What the database has of a partition: of one tenant, or of all. */
  backlog(partition: Partition, owner?: Owner): Promise<{ readonly queued: number; readonly dead: number }>
}

const tags = ['queues']
const partitionName = z
  .string()
  .max(40)
  .describe(`One of ${PARTITIONS.join(', ')}.`)
const keyName = z
  .string()
  .max(200)
  .describe('Tasks with this limit key; `*`: each key without a rule of its own; left out: all work.')

const place = {
  tenantId: idSchema.optional().describe('The caller’s own if left out; another one for the operator.'),
  partition: partitionName.optional().describe('All queues if left out.'),
  key: keyName.optional(),
}

const pausedTenant = idSchema
  .optional()
  .describe('Only the work of this tenant; left out: the whole queue, of all tenants, for the operator.')

const ruleBody = z.strictObject({
  ...place,
  paused: z.boolean().optional(),
  concurrency: z
    .number()
    .int()
    .min(1)
    .max(1_000_000)
    .nullable()
    .optional()
    .describe('The most under way, in each queue.'),
  rate: z
    .strictObject({ count: z.number().int().min(1).max(1_000_000), per: durationSchema })
    .nullable()
    .optional()
    .describe('So many in that time, evenly spread after a first burst.'),
  weight: z
    .number()
    .int()
    .min(1)
    .max(100)
    .nullable()
    .optional()
    .describe('The part beside other tenants; 1 is the usual.'),
})

const PERIOD_MAX_MS = 86_400_000

const rateOf = (rate: { count: number; per: number | string } | null | undefined): RuleChanges['rate'] => {
  if (!rate) return rate
  const periodMs = parseDuration(rate.per, 'rate.per')
  if (periodMs >= 1 && periodMs <= PERIOD_MAX_MS) return { count: rate.count, periodMs }
  throw queueErrors.queue_rule_invalid(`rate.per is ${JSON.stringify(rate.per)}; allowed: 1 ms to 1 day`)
}

const ruleView = (rule: QueueRule) => ({
  tenantId: rule.tenantId,
  partition: rule.partition === '' ? null : rule.partition,
  key: rule.key === '' ? null : rule.key,
  paused: isPause(rule.paused),
  pausedByOperator: rule.paused.byOperator,
  concurrency: rule.concurrency,
  rate: rule.rate && { count: rule.rate.count, per: rule.rate.periodMs },
  weight: rule.weight,
  updatedAt: toTime(rule.updatedAtMs),
})

const byPlace: PageOrder<QueueRule, Pick<RulePlace, 'partition' | 'key'>> = {
  placeOf: ({ partition, key }) => [partition, key],
  place: z
    .tuple([
      z.enum(['', ...PARTITIONS]),
      z
        .string()
        .max(200)
        .regex(/^[^\0]*$/),
    ])
    .transform(([partition, key]) => ({ partition, key })),
}

export const makeQueueRoutes =
  ({ queues, queue, window, operatorId, backlog }: QueueRoutesOptions): Routes =>
  (server) => {
    const authorOf = ({ tenantId, projectId }: Principal): RuleAuthor => ({
      tenantId,
      // A key of one of the operator's projects does not speak for the installation.
      isOperator: tenantId === operatorId() && projectId === null,
    })
    const placeOf = (
      author: RuleAuthor,
      given: { tenantId?: string | undefined; partition?: string | undefined; key?: string | undefined },
    ): RulePlace => ({
      tenantId: given.tenantId ?? author.tenantId,
      partition: given.partition === undefined ? '' : partitionNamed(given.partition),
      key: given.key ?? '',
    })
    const read = { permission: 'queues:read' } as const
    const write = { permission: 'queues:write' } as const

    /** Of all tenants: for the operator alone. */
    const wholeOf = async (partition: Partition) => {
      const [counts, inside, room, { queued, dead }] = await Promise.all([
        queue.counts(partition),
        window.inside(partition),
        window.room(partition),
        backlog(partition),
      ])
      return { ...counts, inside: inside.size, room, queued, dead }
    }

    server.get(
      '/v1/queues',
      {
        config: read,
        schema: {
          tags,
          summary: 'What waits in each queue: of this tenant, and for the operator of all',
          description:
            '`queued` waits in the database; of that `inside` has been handed to the queue or is being done. Always all queues, in ' +
            'one page: there are as many as there are kinds of work.',
        },
      },
      async ({ principal }) => {
        const { tenantId, isOperator } = authorOf(principal)
        const paused = await queues.pausedPartitions()
        const items = await Promise.all(
          PARTITIONS.map(async (partition) => ({
            name: partition,
            paused: paused.has(partition),
            ownPaused: queues.rules.isPaused(partition, tenantId) && !paused.has(partition),
            ...(await backlog(partition, principal)),
            ...(isOperator ? { all: await wholeOf(partition) } : {}),
          })),
        )
        return { items, nextCursor: null }
      },
    )

    for (const [verb, summary] of [
      ['pause', 'Pause a queue: nothing of it begins until it is resumed; what is under way goes on'],
      ['resume', 'Resume a queue'],
    ] as const) {
      server.post(
        `/v1/queues/:partition/${verb}`,
        {
          config: write,
          schema: {
            tags,
            summary: `${summary} (operator; with the tenantId of the caller anybody, for its own work)`,
            params: z.object({ partition: partitionName }),
            body: z.strictObject({ tenantId: pausedTenant }).nullish(),
          },
        },
        async ({ principal, params, body }) => {
          const partition = partitionNamed(params.partition)
          const rulePlace = { tenantId: body?.tenantId ?? '', partition, key: '' }
          return ruleView(await queues.set(authorOf(principal), rulePlace, { paused: verb === 'pause' }))
        },
      )
    }

    server.get(
      '/v1/queues/rules',
      {
        config: read,
        schema: {
          tags,
          summary: 'Pauses, limits and weight of a tenant, in the order of queues and keys',
          querystring: z.strictObject({ tenantId: place.tenantId, ...pageQuery }),
        },
      },
      async ({ principal, query }) => {
        const { tenantId, isOperator } = authorOf(principal)
        const wanted = query.tenantId ?? tenantId
        if (wanted !== tenantId && !isOperator) {
          throw queueErrors.operator_only('only the operator sees the rules of another tenant')
        }
        return readPageBy(byPlace, query, (page) => queues.list(wanted, page), ruleView)
      },
    )

    server.put(
      '/v1/queues/rules',
      {
        config: write,
        schema: {
          tags,
          summary: 'Set a pause, limits or the weight; in effect everywhere when this is answered',
          description:
            'A tenant pauses its own work and limits its limit keys. The operator also sets concurrency, rate and weight of tenants. ' +
            'What is left out stays; null takes a limit away.',
          body: ruleBody,
        },
      },
      async ({ principal, body }) => {
        const author = authorOf(principal)
        const { paused, concurrency, weight } = body
        const changes = { paused, concurrency, rate: rateOf(body.rate), weight }
        return ruleView(await queues.set(author, placeOf(author, body), changes))
      },
    )

    server.delete(
      '/v1/queues/rules',
      {
        config: write,
        schema: { tags, summary: 'Remove a rule', querystring: z.strictObject(place), response: { 204: noContent } },
      },
      async ({ principal, query }, reply) => {
        const author = authorOf(principal)
        await queues.remove(author, placeOf(author, query))
        return reply.code(204).send()
      },
    )
  }
