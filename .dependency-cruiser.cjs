/**
 * The import rules of docs and design, held by `npm run imports`: main and cli → app → domains → engine → platform.
 * Each rule is proved to bite in test/architecture.test.ts; a rule without a proof fails that test.
 */

/** Tests may import anything, and so may the suites that every adapter of a port runs. */
const tests = ['[.]test[.]ts$', '^test/', '^bench/', '(^|/)conformance[^/]*[.]ts$']

/** What each part of src may import besides itself and the platform. News travels upwards as events, not as calls. */
const mayUse = {
  platform: [],
  migrations: [],
  engine: [],
  audit: [],
  tenants: [],
  secrets: [],
  queues: ['tenants', 'engine'],
  skills: ['secrets', 'tenants'],
  agents: ['skills', 'secrets', 'tenants', 'engine'],
  tasks: ['agents', 'skills', 'tenants', 'engine'],
  workflows: ['tasks', 'agents', 'skills', 'tenants', 'engine', 'asl'],
  // Nobody but the app imports these three: they stand beside each other at the top.
  scheduler: ['workflows', 'tasks', 'agents', 'skills', 'tenants', 'engine'],
  notifications: ['tasks', 'secrets', 'tenants', 'engine'],
  retention: [],
}
const domains = [
  'audit',
  'tenants',
  'secrets',
  'queues',
  'skills',
  'agents',
  'tasks',
  'workflows',
  'scheduler',
  'notifications',
  'retention',
]
const parts = [...Object.keys(mayUse), 'asl', 'sdk', 'cli', 'app', 'main', 'roles', 'config']

/** A part is a folder or, for a small one, a single file: src/app.ts or src/app/. */
const in_ = (names) => `^src/(${names.join('|')})(/|[.]ts$)`

/** A package or builtin, resolved or not, and its types. */
const packages = (names) => [`^node_modules/(@types/)?(${names.join('|')})/`, `^(node:)?(${names.join('|')})$`]

const forbid = (name, comment, from, to) => ({
  name,
  comment,
  severity: 'error',
  from: { ...from, pathNot: [...tests, ...(from.pathNot ?? [])] },
  to,
})

const layers = Object.entries(mayUse).map(([part, others]) =>
  forbid(
    `${part}-imports-downwards`,
    `src/${part} may import only: ${[part, ...others, 'platform'].join(', ')}.`,
    { path: in_([part]) },
    { path: '^src/', pathNot: in_([part, ...others, 'platform']) },
  ),
)

module.exports = {
  forbidden: [
    ...layers,
    forbid(
      'app-imports-downwards',
      'The composition root, the roles and the configuration know nothing of the ways they are started.',
      { path: in_(['app', 'roles', 'config']) },
      { path: in_(['main', 'cli']) },
    ),
    forbid(
      'config-stands-alone',
      'The configuration is read once and handed down; reading it needs nothing but the platform.',
      { path: in_(['config']) },
      { path: '^src/', pathNot: in_(['config', 'platform']) },
    ),
    forbid(
      'known-parts-only',
      'A new part of src needs a place among the layers: add it to this file.',
      {},
      { path: '^src/', pathNot: in_(parts) },
    ),
    forbid(
      'top-domains-only-from-app',
      'Only the app imports the scheduler, the notifications and retention.',
      { pathNot: [in_(['app', 'roles', 'scheduler', 'notifications', 'retention'])] },
      { path: in_(['scheduler', 'notifications', 'retention']) },
    ),
    forbid(
      'domains-meet-at-index',
      'A domain, the engine, the interpreter and the migrations are used from outside by their index.ts alone.',
      { path: '^([^/]+/[^/]+)' },
      { path: in_([...domains, 'engine', 'asl', 'migrations']), pathNot: ['^$1/', '^src/[^/]+/index[.]ts$'] },
    ),
    forbid(
      'asl-knows-no-platform',
      'The States Language interpreter knows nothing of databases, queues or the engine: of src it takes only JSON and JSONata.',
      { path: '^src/asl/' },
      { path: '^src/', pathNot: ['^src/asl/', '^src/platform/(json|jsonata)[.]ts$'] },
    ),
    forbid(
      'asl-only-from-workflows',
      'The workflows domain is the only user of the interpreter.',
      { pathNot: ['^src/(asl|workflows)/'] },
      { path: '^src/asl/' },
    ),
    forbid(
      'sdk-stands-alone',
      "Authors' code loads the SDK: it must not draw in the server. Of the engine it may name types.",
      { path: in_(['sdk']) },
      { path: '^src/', pathNot: [in_(['sdk']), '^src/platform/(json|errors)[.]ts$', '^src/engine/index[.]ts$'] },
    ),
    forbid(
      'sdk-takes-only-types-of-engine',
      "Authors' code loads the SDK: of the engine it may name types (import type), not draw in its code.",
      { path: in_(['sdk']) },
      { path: '^src/engine/index[.]ts$', dependencyTypesNot: ['type-only'] },
    ),
    forbid(
      'drivers-only-in-platform',
      'Everything else speaks to the ports of the platform, so that an adapter can be changed in one place.',
      { pathNot: ['^src/platform/', '^cluster/'] },
      { path: packages(['pg', 'pg-[^/]+', 'better-sqlite3', 'sqlite', 'ioredis', 'bullmq', 'kysely-[^/]+']) },
    ),
    forbid(
      'sql-only-in-repositories',
      'SQL is written in the repositories, the schemas and the engine; services call repositories.',
      { pathNot: ['^src/platform/', '^src/engine/', '/repository[^/]*([.]ts$|/)', '/schema[.]ts$'] },
      { path: packages(['kysely']) },
    ),
    forbid(
      'routes-and-workers-call-services',
      'A route or a worker that goes past the service goes past its transaction, its checks and its events.',
      { path: '(^|/)(routes|worker)[^/]*([.]ts$|/)' },
      { path: '/repository[^/]*([.]ts$|/)' },
    ),
    forbid(
      'examples-use-the-sdk',
      'An example shows what any user can write: it has the SDK, packages and Node, nothing of the inside.',
      { path: '^examples/([^/]+)' },
      { path: '^(src|test|bench|bin|examples)/', pathNot: ['^src/sdk/index[.]ts$', '^examples/$1'] },
    ),
    forbid(
      'no-tests-in-production',
      'What runs in production must not load test code.',
      { path: '^(src|bin)/' },
      { path: ['[.]test[.]ts$', '^(test|bench)/'] },
    ),
    forbid(
      'no-development-packages-in-production',
      'A package that production code loads belongs to the dependencies; a deployment installs no others.',
      { path: '^(src|bin)/' },
      { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'], pathNot: ['^node_modules/@types/'] },
    ),
    {
      name: 'no-undeclared-packages',
      comment: 'A package that is there only because another one needs it can be gone after the next install.',
      severity: 'error',
      from: {},
      to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown'] },
    },
    {
      name: 'no-cycles',
      comment: 'Two files that need each other are one file, or are missing a third.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'no-unresolvable',
      comment: 'An import must lead somewhere.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    // Type imports count too: they are knowledge of one part about another.
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    // Compiled caches and results are no source.
    exclude: { path: '(^|/)[.][^./]' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
  },
}
