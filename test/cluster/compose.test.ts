/** compose.yaml as data: no container engine is needed to see that it fits this AIDOS and the files beside it. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { bootstrapCommand } from '../../src/cli/commands/bootstrap.ts'
import { ROLES, readConfig, VARIABLES } from '../../src/config.ts'

interface Service {
  readonly environment?: Readonly<Record<string, string>>
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>
  readonly volumes?: readonly string[]
  readonly user?: string
  readonly image?: string
  readonly healthcheck?: object
  readonly command?: readonly string[]
  readonly deploy?: { readonly replicas: number }
}

const root = path.join(import.meta.dirname, '../..')
const text = readFileSync(path.join(root, 'compose.yaml'), 'utf8')
const compose = parse(text, { merge: true }) as {
  readonly services: Readonly<Record<string, Service>>
  readonly volumes: Readonly<Record<string, null>>
}
const services = Object.entries(compose.services)

/** As Compose puts values in: what is required is given here, the rest has its default. */
const filled = (value: string): string =>
  value.replace(/\$\{(\w+)(?::?([-?])([^}]*))?\}/g, (_, name: string, kind: string, rest: string) => {
    if (kind === '-') return rest
    return name === 'AIDOS_SECRET_KEY' ? Buffer.alloc(32).toString('base64') : 'secret'
  })

test('compose.yaml runs each of the seven roles twice, with settings that AIDOS accepts', () => {
  const ours = services.filter(([, { environment }]) => environment?.AIDOS_ROLES !== undefined)
  assert.deepEqual(ours.map(([name]) => name).toSorted(), ROLES.toSorted())
  for (const [name, { environment = {}, deploy }] of ours) {
    assert.equal(environment.AIDOS_ROLES, name)
    assert.equal(deploy?.replicas, 2)
    assert.deepEqual(
      Object.keys(environment).filter((each) => !(each in VARIABLES)),
      [],
    )
    const values = Object.fromEntries(Object.entries(environment).map(([key, value]) => [key, filled(value)]))
    assert.deepEqual(readConfig(values).AIDOS_ROLES, [name])
  }
})

test('each of them waits for the one that prepares the database, with settings that AIDOS accepts', () => {
  const { bootstrap } = compose.services
  const { environment = {} } = bootstrap ?? {}
  const values = Object.fromEntries(Object.entries(environment).map(([key, value]) => [key, filled(value)]))
  assert.equal(readConfig(values).DB_CLIENT, 'pg')
  const ours = services.filter(([, each]) => each.environment?.AIDOS_ROLES !== undefined)
  for (const [, { depends_on }] of ours)
    assert.equal(depends_on?.bootstrap?.condition, 'service_completed_successfully')
  assert.equal(bootstrap?.command?.[2], bootstrapCommand.name)
})

test('the pools of all its processes fit into its PostgreSQL', () => {
  const ours = services.filter(([, { deploy }]) => deploy !== undefined)
  const connections = ours.reduce(
    (sum, [, { environment, deploy }]) => sum + Number(environment?.DB_POOL_MAX) * (deploy?.replicas ?? 0),
    0,
  )
  const most = Number(/max_connections=(\d+), -c, wal_level/.exec(text)?.[1])
  assert.ok(connections > 0 && connections < most, `${connections} connections of ${most}`)
})

test('what a service waits for is there, and can be waited for', () => {
  for (const [name, { depends_on: needs = {} }] of services) {
    for (const [other, { condition }] of Object.entries(needs)) {
      const target = compose.services[other]
      assert.ok(target, `${name} waits for ${other}`)
      // The image of AIDOS brings its own health check.
      const isOurs = target.environment?.AIDOS_ROLES !== undefined
      if (condition === 'service_healthy') assert.ok(isOurs || target.healthcheck, `${other} has no health check`)
    }
  }
})

test('the processes share their files, and the gateways know who calls through nginx', () => {
  const ours = services.filter(([, { environment }]) => environment?.AIDOS_ROLES !== undefined)
  for (const [name, { volumes = [] }] of ours) assert.ok(volumes.includes('data:/data'), name)
  const { TRUSTED_PROXIES = '' } = compose.services.gateway?.environment ?? {}
  assert.notEqual(readConfig({ TRUSTED_PROXIES }).TRUSTED_PROXIES.length, 0)
})

test('nothing runs as root that can do without', () => {
  for (const [name, { user, image = '' }] of services) {
    if (image.startsWith('redis:') && name !== 'redis-create') assert.equal(user, 'redis', name)
  }
  const dockerfile = readFileSync(path.join(root, 'Dockerfile'), 'utf8')
  assert.match(dockerfile, /^USER node$/m)
})

test('the Dockerfile takes files that exist, and the .dockerignore lets them through', () => {
  const dockerfile = readFileSync(path.join(root, 'Dockerfile'), 'utf8')
  const ignore = readFileSync(path.join(root, '.dockerignore'), 'utf8').split('\n')
  const taken = [...dockerfile.matchAll(/^COPY (.+) \S+$/gm)].flatMap(([, files = '']) => files.split(' '))
  assert.ok(taken.length > 0)
  for (const file of taken) {
    assert.ok(existsSync(path.join(root, file)), file)
    assert.ok(ignore.includes(`!${file}`), file)
  }
})

test('secrets beside compose.yaml are not committed', () => {
  assert.match(readFileSync(path.join(root, '.gitignore'), 'utf8'), /^\.env$/m)
})

test('every mounted file and every named volume exists', () => {
  for (const [, { volumes = [] }] of services) {
    for (const [source] of volumes.map((volume) => volume.split(':'))) {
      assert.ok(source?.startsWith('./') ? existsSync(path.join(root, source)) : source! in compose.volumes, source)
    }
  }
})

test('every variable that must be given is in the example', () => {
  const example = readFileSync(path.join(root, 'deploy/compose/example.env'), 'utf8')
  const required = [...text.matchAll(/\$\{(\w+):\?/g)].map((match) => match[1])
  assert.ok(required.length > 0)
  for (const name of required) assert.match(example, new RegExp(`^${name}=`, 'm'))
})
