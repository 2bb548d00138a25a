/** Walks all routes of a running AIDOS with made-up requests, and collects what must not be. The same seed sends the same. */
import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import fc from 'fast-check'
import type { TestApp } from '../../support/app.ts'
import { type Document, danglingRefs, type Route, routesOf } from './openapi.ts'
import { type Finding, makeProbe } from './probe.ts'
import { type FuzzRequest, requestsFor } from './requests.ts'
import { makeValues } from './values.ts'
import { type Key, makeWorld } from './world.ts'

export interface FuzzOptions {
  readonly app: TestApp
  readonly seed: number
  /** Requests per route and round. */
  readonly perRoute: number
  /** Ends after that many rounds, or when the time is over. */
  readonly rounds: number
  readonly endAtMs: number
  /** Requests not to send. */
  readonly leavesOut?: (request: FuzzRequest) => boolean
}

export interface FuzzReport {
  readonly requests: number
  readonly routes: number
  /** Routes that never did what they are for: what they do when it works has not been tried. */
  readonly neverSucceeded: readonly string[]
  readonly byStatus: Readonly<Record<string, number>>
  readonly findings: readonly Finding[]
}

const source = path.resolve(import.meta.dirname, '../../../src')

/** Every code that a table of errors defines, or the HTTP edge writes. */
const definedCodes = async (): Promise<Set<string>> => {
  const files = (await readdir(source, { recursive: true })).filter((f) => f.endsWith('.ts') && !f.endsWith('.test.ts'))
  const texts = await Promise.all(files.map((file) => readFile(path.join(source, file), 'utf8')))
  const codes = new Set([
    'request_invalid',
    'request_refused',
    'media_type_unsupported',
    'json_malformed',
    'body_too_large',
    'url_malformed',
    'url_too_long',
    'headers_too_large',
    'http_malformed',
  ])
  for (const text of texts) {
    for (const [table] of text.matchAll(/defineErrors\(\{[\s\S]*?\n?\}\)/g)) {
      for (const [, code] of table.matchAll(/\b([a-z][a-z0-9_]*): \{/g)) codes.add(code as string)
    }
  }
  return codes
}

const AHEAD = 4

/** Runs the calls a few at a time. */
const each = async <T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> => {
  const waiting = items.values()
  const lane = async (): Promise<void> => {
    for (const item of waiting) await work(item)
  }
  await Promise.all(Array.from({ length: AHEAD }, lane))
}

/** Who asks: mostly the second tenant's owner, at times a lesser key, the first tenant, or nobody. */
const callerOf = (keys: readonly Key[], dice: number): Key | undefined => {
  if (dice % 20 === 0) return undefined
  if (dice % 20 <= 3) return keys[dice % keys.length]
  return dice % 20 <= 5 ? keys[0] : keys[1]
}

export const fuzz = async (options: FuzzOptions): Promise<FuzzReport> => {
  const { app, seed, perRoute, rounds, endAtMs, leavesOut = () => false } = options
  const findings: Finding[] = []
  const succeeded = new Set<Route>()
  const byStatus: Record<string, number> = {}
  let requests = 0
  const rejected = (error: unknown): void => {
    const answer = error instanceof Error ? String(error.stack) : String(error)
    findings.push({ rule: 'a rejection that nobody looked at', route: '', status: 0, request: '', answer })
  }
  process.on('unhandledRejection', rejected)
  try {
    let world = await makeWorld(app)
    const document = (await app.call('GET', '/openapi.json')).body as Document
    for (const ref of danglingRefs(document))
      findings.push({
        rule: 'the document refers to nothing',
        route: '/openapi.json',
        status: 200,
        request: ref,
        answer: '',
      })
    const routes = routesOf(document)
    const codes = await definedCodes()
    const probe = makeProbe({ url: app.app.url as string, codes, firstIds: new Set(world.firstIds) })
    let values = makeValues(world.known, document.components?.schemas ?? {}, world.usual)
    const send = async (route: Route, request: FuzzRequest, key: Key | undefined): Promise<void> => {
      if (leavesOut(request)) return
      requests++
      const { status, finding } = await probe(route, request, key)
      byStatus[status] = (byStatus[status] ?? 0) + 1
      if (status >= 200 && status < 300) succeeded.add(route)
      if (finding) findings.push(finding)
    }

    // Every route with every key and with none: what it demands of the caller.
    const nothing = (route: Route) => ({
      method: route.method,
      target: route.path.replace(/\{\w+\}/g, 'nothing-of-that-name'),
      body: undefined,
      contentType: undefined,
      headers: {},
      ids: [],
    })
    // Nobody, every role, the keys that just have what it takes, and a few that have something else.
    const callers = (route: Route, at: number): (Key | undefined)[] => {
      const single = world.keys.filter(({ permissions }) => permissions.size === 1)
      const fitting = single.filter(({ permissions }) => route.permission && permissions.has(route.permission))
      const others = [0, 1, 2].map((i) => single[(at * 7 + i * 13) % single.length])
      return [undefined, ...world.keys.slice(2).filter((key) => !single.includes(key)), ...fitting, ...others]
    }
    const matrix = routes.flatMap((route, at) => callers(route, at).map((key) => ({ route, key })))
    await each(matrix, ({ route, key }) => send(route, nothing(route), key))

    for (let round = 0; round < rounds && Date.now() < endAtMs; round++) {
      if (round > 0) {
        world = await makeWorld(app, world)
        values = makeValues(world.known, document.components?.schemas ?? {}, world.usual)
      }
      const batch = routes.flatMap((route, i) => {
        const samples = world.samples[`${route.method} ${route.path}`] ?? []
        const made = fc.tuple(requestsFor(route, samples, values), fc.nat(1_000_000))
        return fc.sample(made, { seed: seed + round * 1000 + i, numRuns: perRoute }).map((pair) => ({ route, pair }))
      })
      await each(batch, async ({ route, pair: [request, dice] }) => {
        if (Date.now() < endAtMs) await send(route, request, callerOf(world.keys, dice))
      })
    }
    const alive = await app.call('GET', '/v1/runs', undefined, world.keys[1]?.key)
    if (alive.status !== 200)
      findings.push({
        rule: 'dead afterwards',
        route: 'GET /v1/runs',
        status: alive.status,
        request: '',
        answer: JSON.stringify(alive.body),
      })
    if ('polluted' in {})
      findings.push({ rule: 'a prototype was changed', route: '', status: 0, request: '', answer: '' })
    const failing = routes.filter((route) => !succeeded.has(route))
    const neverSucceeded = failing.map((route) => `${route.method} ${route.path}`)
    return { requests, routes: routes.length, neverSucceeded, byStatus, findings }
  } finally {
    process.off('unhandledRejection', rejected)
  }
}
