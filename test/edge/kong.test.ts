/** Kong's declarative file says what the API's documentation says: each path has a route, each method, and nothing inside is open. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { before, test } from 'node:test'
import { parse } from 'yaml'
import { type Document, routesOf } from '../api/fuzz/openapi.ts'
import { startTestApp } from '../support/app.ts'

interface KongRoute {
  readonly name: string
  readonly paths: readonly string[]
  readonly methods?: readonly string[]
  readonly protocols: readonly string[]
  readonly strip_path: boolean
}
interface KongService {
  readonly name: string
  readonly host: string
  readonly read_timeout: number
  readonly routes: readonly KongRoute[]
}
interface KongFile {
  readonly upstreams: readonly { name: string; targets: readonly { target: string }[] }[]
  readonly services: readonly KongService[]
}

const root = path.resolve(import.meta.dirname, '../..')
const kong = parse(readFileSync(path.join(root, 'deploy/kong/kong.yml'), 'utf8')) as KongFile
const nginx = readFileSync(path.join(root, 'deploy/nginx/nginx.conf'), 'utf8')

/** As Kong does: a path that begins with `~` is a pattern and goes before plain ones, of which the longest wins. */
const routeFor = (method: string, url: string): { service: KongService; route: KongRoute } | undefined => {
  const all = kong.services.flatMap((service) => service.routes.map((route) => ({ service, route })))
  const takes = ({ route }: { route: KongRoute }) => route.methods === undefined || route.methods.includes(method)
  const byPattern = all.find(
    (one) => takes(one) && one.route.paths.some((p) => p.startsWith('~') && new RegExp(`^${p.slice(1)}`).test(url)),
  )
  if (byPattern) return byPattern
  return all.find((one) => takes(one) && one.route.paths.some((p) => !p.startsWith('~') && url.startsWith(p)))
}

let routes: ReturnType<typeof routesOf>
before(async () => {
  const app = await startTestApp()
  routes = routesOf((await app.call('GET', '/openapi.json')).body as Document)
})

test('every documented route is led to the gateways, unchanged and over TLS alone', () => {
  const inside = new Set(['/metrics', '/readyz'])
  assert.ok(routes.length > 60)
  for (const { method, path: template } of routes) {
    const url = template.replace(/\{\w+\}/g, 'x')
    const found = routeFor(method, url)
    if (inside.has(template)) {
      assert.equal(found, undefined, `${template} is open to the outside`)
      continue
    }
    assert.ok(found, `no route for ${method} ${template}`)
    assert.equal(found.route.strip_path, false)
    assert.deepEqual(found.route.protocols, ['https'])
    assert.ok(kong.upstreams.some(({ name }) => name === found.service.host))
    assert.equal(found.service.name === 'streams', template.endsWith('/stream'), template)
  }
})

test('Kong and nginx lead to the same gateways and wait equally long', () => {
  const targets = kong.upstreams.flatMap((upstream) => upstream.targets.map(({ target }) => target))
  const servers = [...nginx.matchAll(/^\s+server (\S+:\d+) max_fails/gm)].map(([, server]) => server)
  assert.deepEqual(targets, servers)
  const timeouts = Object.fromEntries(kong.services.map((service) => [service.name, service.read_timeout]))
  assert.deepEqual(timeouts, { api: 75_000, streams: 3_600_000 })
  assert.deepEqual(
    [...nginx.matchAll(/proxy_read_timeout (\w+);/g)].map(([, time]) => time),
    ['75s', '1h'],
  )
})
