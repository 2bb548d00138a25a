/** The floors in a process of their own: bare inserts, and a bare Fastify route that inserts. */
import Fastify from 'fastify'
import { openBareSqlite, type Shape } from '../support/bare-sqlite.ts'
import { serve } from '../support/serve.ts'

export interface InsertInput {
  readonly shape: Shape
  readonly commits: number
  /** Rows of one commit. */
  readonly group: number
}

const bare = await openBareSqlite(process.argv[2] as string)

/** Milliseconds of each commit. */
const insert = ({ shape, commits, group }: InsertInput): number[] => {
  const times: number[] = []
  for (let i = 0; i < commits; i++) {
    const startMs = performance.now()
    if (group === 1) bare.insert(shape)
    else
      bare.group(() => {
        for (let row = 0; row < group; row++) bare.insert(shape)
      })
    times.push(performance.now() - startMs)
  }
  return times
}

/** Inserts of requests that came in the same turn of the event loop share a commit. */
const makeGrouped = (): (() => Promise<string>) => {
  let waiting: ((id: string) => void)[] = []
  const flush = (): void => {
    const taken = waiting
    waiting = []
    const ids: string[] = []
    bare.group(() => {
      for (const _ of taken) ids.push(bare.insert('task'))
    })
    for (const [i, resolve] of taken.entries()) resolve(ids[i] as string)
  }
  return () =>
    new Promise((resolve) => {
      if (waiting.length === 0) setImmediate(flush)
      waiting.push(resolve)
    })
}

const server = Fastify()
const grouped = makeGrouped()
server.get('/readyz', () => ({ status: 'ready' }))
server.post('/single', (_request, reply) => reply.code(201).send({ id: bare.insert('task') }))
server.post('/grouped', async (_request, reply) => reply.code(201).send({ id: await grouped() }))
const url = await server.listen({ host: '127.0.0.1', port: Number(process.argv[3] ?? 0) })

serve({ insert, url: () => url }, async () => {
  await server.close()
  bare.close()
})
