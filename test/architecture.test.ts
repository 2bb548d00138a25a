/** Holds the rules of the layout that an import checker can see, proves that each bites, and checks those it cannot see. */
import assert from 'node:assert/strict'
import { existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { startProcess } from './support/start-process.ts'
import { makeTempFolder } from './support/temp-folder.ts'

const root = path.resolve(import.meta.dirname, '..')
const configFile = path.join(root, '.dependency-cruiser.cjs')

interface Violation {
  readonly rule: { readonly name: string }
  readonly from: string
  readonly to: string
}

/** Each line is a forbidden import: the rules it breaks, who imports, and what. */
const forbidden: readonly [rules: string, from: string, to: string][] = [
  ['platform-imports-downwards top-domains-only-from-app', 'src/platform/a.ts', 'src/scheduler/index.ts'],
  ['platform-imports-downwards', 'src/platform/b.ts', 'src/config.ts'],
  ['migrations-imports-downwards', 'src/migrations/0001.ts', 'src/tenants/index.ts'],
  ['engine-imports-downwards', 'src/engine/a.ts', 'src/tasks/index.ts'],
  ['tenants-imports-downwards', 'src/tenants/a.ts', 'src/skills/index.ts'],
  ['tenants-imports-downwards', 'src/tenants/b.ts', 'src/migrations/index.ts'],
  ['audit-imports-downwards', 'src/audit/a.ts', 'src/tenants/index.ts'],
  ['queues-imports-downwards', 'src/queues/a.ts', 'src/tasks/index.ts'],
  ['secrets-imports-downwards', 'src/secrets/a.ts', 'src/skills/index.ts'],
  ['skills-imports-downwards', 'src/skills/a.ts', 'src/agents/index.ts'],
  ['skills-imports-downwards', 'src/skills/b.ts', 'src/engine/index.ts'],
  ['agents-imports-downwards', 'src/agents/a.ts', 'src/tasks/index.ts'],
  ['tasks-imports-downwards', 'src/tasks/a.ts', 'src/workflows/index.ts'],
  ['tasks-imports-downwards asl-only-from-workflows', 'src/tasks/b.ts', 'src/asl/index.ts'],
  ['workflows-imports-downwards top-domains-only-from-app', 'src/workflows/a.ts', 'src/scheduler/index.ts'],
  ['scheduler-imports-downwards', 'src/scheduler/a.ts', 'src/notifications/index.ts'],
  ['notifications-imports-downwards', 'src/notifications/a.ts', 'src/agents/index.ts'],
  ['notifications-imports-downwards', 'src/notifications/b.ts', 'src/app.ts'],
  ['retention-imports-downwards', 'src/retention/a.ts', 'src/tasks/index.ts'],
  ['app-imports-downwards', 'src/app.ts', 'src/cli/table.ts'],
  ['app-imports-downwards', 'src/roles.ts', 'src/cli/table.ts'],
  ['config-stands-alone', 'src/config.ts', 'src/tenants/index.ts'],
  ['known-parts-only', 'src/app.ts', 'src/misc/a.ts'],
  ['top-domains-only-from-app', 'src/cli/a.ts', 'src/scheduler/index.ts'],
  ['top-domains-only-from-app', 'src/cli/b.ts', 'src/retention/index.ts'],
  ['domains-meet-at-index', 'src/tasks/c.ts', 'src/agents/service.ts'],
  ['domains-meet-at-index', 'src/app.ts', 'src/engine/journal.ts'],
  ['domains-meet-at-index', 'src/workflows/b.ts', 'src/asl/choice.ts'],
  ['asl-knows-no-platform', 'src/asl/a.ts', 'src/platform/errors.ts'],
  ['asl-knows-no-platform', 'src/asl/b.ts', 'src/engine/index.ts'],
  ['asl-only-from-workflows', 'src/app.ts', 'src/asl/index.ts'],
  ['sdk-stands-alone', 'src/sdk/a.ts', 'src/tasks/index.ts'],
  ['sdk-stands-alone', 'src/sdk/b.ts', 'src/platform/database.ts'],
  ['sdk-takes-only-types-of-engine', 'src/sdk/c.ts', 'src/engine/index.ts'],
  ['drivers-only-in-platform', 'src/engine/b.ts', 'pg'],
  ['drivers-only-in-platform', 'src/tasks/d.ts', 'better-sqlite3'],
  ['drivers-only-in-platform', 'src/tasks/e.ts', 'node:sqlite'],
  ['drivers-only-in-platform', 'src/tasks/f.ts', 'ioredis'],
  ['drivers-only-in-platform', 'src/tasks/g.ts', 'bullmq'],
  ['drivers-only-in-platform', 'src/tasks/h.ts', 'kysely-postgres-js'],
  ['sql-only-in-repositories', 'src/tasks/service.ts', 'kysely'],
  ['routes-and-workers-call-services', 'src/tasks/routes.ts', 'src/tasks/repository.ts'],
  ['routes-and-workers-call-services', 'src/tasks/worker.ts', 'src/tasks/repository-claims.ts'],
  ['examples-use-the-sdk domains-meet-at-index', 'examples/refund/main.ts', 'src/engine/journal.ts'],
  ['examples-use-the-sdk', 'examples/refund/a.ts', 'examples/other/main.ts'],
  ['no-tests-in-production', 'src/tasks/i.ts', 'test/support/port.ts'],
  ['no-tests-in-production', 'src/tasks/j.ts', 'src/tasks/service.test.ts'],
  ['no-development-packages-in-production', 'src/tasks/k.ts', 'fast-check'],
  ['no-undeclared-packages', 'src/tasks/m.ts', 'undeclared'],
  ['no-unresolvable', 'src/tasks/l.ts', '#missing'],
]

/** Imports that the layout allows, so that a rule which forbids everything is found out. */
const allowed: readonly [from: string, to: string][] = [
  ['src/main.ts', 'src/cli/main.ts'],
  ['src/cli/main.ts', 'src/app.ts'],
  ['src/cli/main.ts', 'src/migrations/index.ts'],
  ['src/app.ts', 'src/roles.ts'],
  ['src/app.ts', 'src/config.ts'],
  ['src/app.ts', 'src/notifications/index.ts'],
  ['src/config.ts', 'src/platform/errors.ts'],
  ['src/scheduler/index.ts', 'src/workflows/index.ts'],
  ['src/notifications/index.ts', 'src/tasks/index.ts'],
  ['src/workflows/index.ts', 'src/asl/index.ts'],
  ['src/workflows/index.ts', 'src/tasks/index.ts'],
  ['src/tasks/index.ts', 'src/agents/index.ts'],
  ['src/agents/index.ts', 'src/skills/index.ts'],
  ['src/agents/index.ts', 'src/engine/index.ts'],
  ['src/skills/index.ts', 'src/tenants/index.ts'],
  ['src/queues/index.ts', 'src/engine/index.ts'],
  ['src/skills/index.ts', 'src/secrets/index.ts'],
  ['src/tasks/index.ts', 'src/tasks/service.ts'],
  ['src/tasks/service.ts', 'src/tasks/repository.ts'],
  ['src/tasks/repository.ts', 'kysely'],
  ['src/tasks/schema.ts', 'kysely'],
  ['src/engine/journal.ts', 'kysely'],
  ['src/platform/database.ts', 'pg'],
  ['src/platform/database.ts', 'node:sqlite'],
  ['src/asl/index.ts', 'src/platform/json.ts'],
  ['src/asl/index.ts', 'src/platform/jsonata.ts'],
  ['src/asl/index.ts', 'zod'],
  ['src/sdk/index.ts', 'zod'],
  ['src/tasks/service.test.ts', 'pg'],
  ['src/tasks/service.test.ts', 'src/notifications/secret.ts'],
  ['test/support/port.ts', 'src/engine/journal.ts'],
  ['examples/other/main.ts', 'src/sdk/index.ts'],
  ['examples/other/main.ts', '#sdk'],
  ['examples/other/main.ts', 'zod'],
]

const dependencies = ['pg', 'better-sqlite3', 'ioredis', 'bullmq', 'kysely', 'kysely-postgres-js', 'zod']
const installed = [...dependencies, 'fast-check', 'undeclared']

/** Writes a project in which these imports, and no others, are made. */
const writeProject = (folder: string, imports: readonly (readonly [from: string, to: string])[]): void => {
  const write = (file: string, text: string, flag = 'w'): void => {
    mkdirSync(path.dirname(path.join(folder, file)), { recursive: true })
    writeFileSync(path.join(folder, file), text, { flag })
  }
  const isFile = (to: string): boolean => to.endsWith('.ts')
  for (const [from, to] of imports) {
    const target = isFile(to) ? path.join(path.relative(path.dirname(from), '.'), to) : to
    write(from, `import '${target}'\n`, 'a')
    if (isFile(to)) write(to, '', 'a')
  }
  for (const name of installed) {
    write(`node_modules/${name}/package.json`, JSON.stringify({ name, version: '1.0.0', main: 'index.js' }))
    write(`node_modules/${name}/index.js`, '')
  }
  const versions = (names: string[]) => Object.fromEntries(names.map((name) => [name, '1.0.0']))
  const manifest = {
    type: 'module',
    imports: { '#sdk': './src/sdk/index.ts' },
    dependencies: versions(dependencies),
    devDependencies: versions(['fast-check']),
  }
  write('package.json', JSON.stringify(manifest))
}

/** The violations that the project's own rules find in a folder, as sorted "rule: from → to". */
const check = async (t: TestContext, folder: string): Promise<string[]> => {
  const bin = path.join(root, 'node_modules/.bin/depcruise')
  const args = [bin, '--config', configFile, '--output-type', 'json', '--output-to', 'found.json']
  const cruise = await startProcess(t, { args: [...args, 'src', 'test', 'examples'], cwd: folder })
  await cruise.exited
  const found = path.join(folder, 'found.json')
  assert.ok(existsSync(found), cruise.output())
  const { summary } = JSON.parse(readFileSync(found, 'utf8')) as { summary: { violations: Violation[] } }
  return summary.violations.map((v) => `${v.rule.name}: ${v.from} → ${v.to}`).sort()
}

test('the import rules refuse each forbidden import, and allow what the layout allows', async (t) => {
  const folder = await makeTempFolder(t)
  writeProject(folder, [...forbidden.map(([, from, to]) => [from, to] as const), ...allowed])
  // A name is reported by where it leads.
  const reported = (to: string): string => (installed.includes(to) ? `node_modules/${to}/index.js` : to)
  const expected = forbidden.flatMap(([rules, from, to]) =>
    rules.split(' ').map((rule) => `${rule}: ${from} → ${reported(to)}`),
  )
  assert.deepEqual(await check(t, folder), expected.sort())
})

test('the import rules refuse a cycle, also one of types only', async (t) => {
  const folder = await makeTempFolder(t)
  writeProject(folder, [
    ['src/tasks/a.ts', 'src/tasks/b.ts'],
    ['test/a.test.ts', 'src/tasks/a.ts'],
    ['examples/a.ts', 'zod'],
  ])
  writeFileSync(path.join(folder, 'src/tasks/b.ts'), "import type { A } from './a.ts'\nexport type B = A\n")
  assert.deepEqual(await check(t, folder), ['no-cycles: src/tasks/a.ts → src/tasks/b.ts'])
})

test('the import rules let the SDK name types of the engine', async (t) => {
  const folder = await makeTempFolder(t)
  writeProject(folder, [
    ['test/a.test.ts', 'src/engine/index.ts'],
    ['examples/a.ts', 'src/sdk/index.ts'],
  ])
  writeFileSync(path.join(folder, 'src/engine/index.ts'), 'export interface Run { id: string }\n')
  writeFileSync(path.join(folder, 'src/sdk/index.ts'), "export type { Run } from '../engine/index.ts'\n")
  assert.deepEqual(await check(t, folder), [])
})

test('every import rule is proved by an import that it refuses', () => {
  const config = createRequire(import.meta.url)(configFile) as { forbidden: { name: string }[] }
  const proved = new Set(['no-cycles', ...forbidden.flatMap(([rules]) => rules.split(' '))])
  assert.deepEqual(
    config.forbidden.map((rule) => rule.name).filter((name) => !proved.has(name)),
    [],
  )
})

/** Places in production code that match, as "file:line". Whole-line comments do not count. */
const placesOf = (pattern: RegExp, exceptions: RegExp): string[] =>
  globSync(['src/**/*.ts', 'examples/**/*.ts'], { cwd: root })
    .filter((file) => !file.endsWith('.test.ts') && !exceptions.test(file))
    .flatMap((file) =>
      readFileSync(path.join(root, file), 'utf8')
        .split('\n')
        .flatMap((line, index) =>
          !/^\s*(\/\/|\/?\*)/.test(line) && pattern.test(line) ? [`${file}:${index + 1}`] : [],
        ),
    )

const environment =
  /process(\?\.|\.)env\b|process\[['"]env|\{[^}]*\benv\b[^}]*\} from 'node:process'|\{[^}]*\benv\b[^}]*\} = process\b/
const dialects = /\b(Postgres|Sqlite|Mysql|Mssql)(Dialect|Adapter|QueryCompiler|Introspector|Driver)\b/

test('only src/config.ts reads the environment', () => {
  assert.deepEqual(placesOf(environment, /^src\/config\.ts$/), [])
})

test('only the platform names a dialect of the query builder', () => {
  assert.deepEqual(placesOf(dialects, /^src\/platform\//), [])
})

test('the searches for the environment and for dialects find what they look for', () => {
  const reads = [
    'process.env.A',
    'process?.env',
    "process['env']",
    "import { env } from 'node:process'",
    'const { env } = process',
  ]
  assert.deepEqual(
    reads.filter((line) => !environment.test(line)),
    [],
  )
  assert.equal(environment.test('the environment of a process'), false)
  assert.equal(dialects.test("import { PostgresDialect } from 'kysely'"), true)
  assert.ok(placesOf(environment, /^$/).some((place) => place.startsWith('src/config.ts:')))
})
