/**
 * The only reader of the environment: every variable with its rule, its default and what it is for. The table below is also
 * what `.env.example` is checked against. A bad value stops the start and names the variable, the value and what is allowed.
 */
import { AppError } from './platform/errors.ts'
import { PRICES_ALLOWED, type PricedModels, parsePrices, wrongPrice } from './platform/limits/model-prices.ts'

export const ROLES = ['gateway', 'agents', 'workflows', 'scheduler', 'executor', 'skills', 'notifications'] as const
export type Role = (typeof ROLES)[number]

type Parse<T> = (text: string) => T | undefined

interface Variable<T> {
  readonly parse: Parse<T>
  readonly allowed: string
  readonly fallback: T
  readonly about: string
  /** Of a list that is refused, what is wrong in it. */
  readonly wrong?: (text: string) => string
}

const variable = <T>(fallback: T, parse: Parse<T>, allowed: string, about: string): Variable<T> => ({
  parse,
  allowed,
  fallback,
  about,
})

const integer = (fallback: number, min: number, max: number, about: string): Variable<number> =>
  variable(
    fallback,
    (text) => (/^\d+$/.test(text) && Number(text) >= min && Number(text) <= max ? Number(text) : undefined),
    `a whole number from ${min} to ${max}`,
    about,
  )

const days = (fallback: number, about: string): Variable<number> =>
  integer(fallback, 0, 36_500, `${about}; 0: they stay for ever.`)

const text = (fallback: string, about: string): Variable<string> =>
  variable(fallback, (given) => given, 'any text', about)

const url = (about: string): Variable<string> =>
  variable(
    '',
    (given) => (/^https?:$/.test(URL.parse(given)?.protocol ?? '') ? given : undefined),
    'an http or https URL',
    about,
  )

const choice = <const T extends string>(fallback: T, options: readonly T[], about: string): Variable<T> =>
  variable(fallback, (given) => options.find((option) => option === given), options.join(', '), about)

const flag = (fallback: boolean, about: string): Variable<boolean> =>
  variable(fallback, (given) => ({ true: true, false: false })[given], 'true or false', about)

const list = (about: string): Variable<readonly string[]> =>
  variable<readonly string[]>([], (given) => splitList(given), 'a list separated by commas', about)

const splitList = (given: string): string[] =>
  given
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')

const parseRoles: Parse<readonly Role[]> = (given) => {
  const names = splitList(given)
  if (names.length === 1 && names[0] === 'all') return ROLES
  return names.length > 0 && names.every((name) => ROLES.includes(name as Role)) ? (names as Role[]) : undefined
}

const parseNodes: Parse<readonly { host: string; port: number }[]> = (given) => {
  const parsed = splitList(given).map((part) => /^(.+):(\d{1,5})$/.exec(part))
  return parsed.every((match) => match !== null) ? parsed.map((m) => ({ host: m[1]!, port: Number(m[2]) })) : undefined
}

const nodes = (about: string): Variable<readonly { host: string; port: number }[]> =>
  variable<readonly { host: string; port: number }[]>([], parseNodes, 'host:port,host:port,…', about)

export const VARIABLES = {
  AIDOS_ROLES: variable<readonly Role[]>(
    ROLES,
    parseRoles,
    `all, or a list of ${ROLES.join(', ')}`,
    'Which services this process plays.',
  ),
  AIDOS_DATA_DIR: text('.aidos', 'Folder of the embedded database and the first key.'),
  AIDOS_OWNER_KEY: text(
    '',
    "The owner's key, made before by `aidos bootstrap --new-key`; empty: the first start makes one.",
  ),
  AIDOS_OWNER_KEY_FILE: text('', 'File with that key instead.'),
  AIDOS_FILES_ROOT: text('', 'Folder that the files skill may read and write; default: "files" in the data folder.'),
  HOST: text('127.0.0.1', 'Address to listen on. The default is reached from this machine alone.'),
  PORT: integer(3000, 0, 65_535, 'Port of the HTTP API; 0 takes a free one.'),
  LOG_LEVEL: choice('info', ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'], 'How much is logged.'),
  BODY_LIMIT_BYTES: integer(1_048_576, 1024, 67_108_864, 'The largest request body.'),
  PAYLOAD_LIMIT_BYTES: integer(262_144, 1024, 16_777_216, 'The largest input, output or step result, as JSON.'),
  SHUTDOWN_GRACE_MS: integer(10_000, 0, 600_000, 'How long running tasks may go on after a stop was asked for.'),
  AIDOS_SECRET_KEY: text(
    '',
    'Key for stored secrets: 32 bytes as base64; of several, separated by commas, the first seals. SQLite: made once beside the database when empty.',
  ),
  AIDOS_SECRET_KEY_FILE: text('', 'File with that key instead; of several, one a line, the first seals.'),
  AIDOS_BINDINGS_FILE: text(
    '',
    'JSON file: what service ARNs in imported workflow definitions stand for, ARN to resource.',
  ),
  OUTBOUND_ALLOW: list('Internal hosts, host:port or networks that outbound calls may reach; none by default.'),

  S3_ENDPOINT: url('S3-compatible store that distributed Maps read from and write to; empty: the files of the tenant.'),
  S3_REGION: text('us-east-1', 'Its region, as requests are signed for.'),
  S3_ACCESS_KEY_ID: text('', 'Its access key.'),
  S3_SECRET_ACCESS_KEY: text('', 'The secret of that key.'),

  SMTP_HOST: text('', 'Mail server for channels that name none; empty: they must name their own.'),
  SMTP_PORT: integer(587, 1, 65_535, 'Its port.'),
  SMTP_SECURITY: choice(
    'starttls',
    ['tls', 'starttls', 'none'],
    'tls (from the first byte), starttls (nothing before it is encrypted) or none.',
  ),
  SMTP_USER: text('', 'Its user; empty: none.'),
  SMTP_PASSWORD: text('', 'Its password.'),
  SMTP_FROM: text('', 'Address that its mail comes from; needed with SMTP_HOST.'),
  SMTP_CA_FILE: text('', 'PEM file of a certificate authority that mail servers may have, besides the public ones.'),

  DB_CLIENT: choice('sqlite', ['sqlite', 'pg'], 'sqlite (embedded) or pg (PostgreSQL).'),
  DB_HOST: text('127.0.0.1', 'PostgreSQL: host.'),
  DB_PORT: integer(5432, 1, 65_535, 'PostgreSQL: port.'),
  DB_NAME: text('aidos', 'PostgreSQL: database.'),
  DB_USER: text('aidos', 'PostgreSQL: user.'),
  DB_PASSWORD: text('', 'PostgreSQL: password.'),
  DB_POOL_MIN: integer(5, 0, 1000, 'PostgreSQL: connections kept open.'),
  DB_POOL_MAX: integer(50, 1, 1000, 'PostgreSQL: the most connections.'),

  CORS_ORIGINS: list('Origins whose web pages may call the API, such as https://app.example.com; none by default.'),
  TRUSTED_PROXIES: list('Addresses or networks of proxies whose X-Forwarded-For is believed; none by default.'),
  DRAIN_MS: integer(
    0,
    0,
    60_000,
    'How long a process that stops still takes requests while its proxy learns of it; some seconds behind one.',
  ),
  RATE_LIMIT_TENANT_PER_MINUTE: integer(
    60_000,
    0,
    100_000_000,
    'Requests a minute of a tenant, over all gateways; 0: no limit.',
  ),
  RATE_LIMIT_KEY_PER_MINUTE: integer(
    30_000,
    0,
    100_000_000,
    'Requests a minute of a key, over all gateways; 0: no limit.',
  ),
  CONCURRENT_REQUESTS_TENANT: integer(
    1000,
    0,
    100_000,
    'Requests of a tenant under way at a time, per gateway; 0: no limit.',
  ),
  QUOTA_RUNS_PER_DAY: integer(0, 0, 1_000_000_000_000, 'Runs of a tenant a day (UTC); 0: no limit.'),
  QUOTA_TASKS_PER_DAY: integer(0, 0, 1_000_000_000_000, 'Tasks of a tenant a day; 0: no limit.'),
  QUOTA_TOKENS_PER_DAY: integer(0, 0, 1_000_000_000_000, 'Model tokens of a tenant a day; 0: no limit.'),
  QUOTA_COST_PER_DAY: integer(
    0,
    0,
    1_000_000_000_000,
    'Model cost of a tenant a day, in millionths of the currency of the prices; 0: no limit.',
  ),
  QUOTA_STORAGE_PER_DAY: integer(
    0,
    0,
    1_000_000_000_000,
    'Characters of inputs, outputs and steps that a tenant may write a day; 0: no limit.',
  ),
  SHED_REQUESTS: integer(
    5000,
    0,
    1_000_000,
    'Requests under way in this process beyond which others are refused with 503; 0: no limit.',
  ),
  SHED_LAG_MS: integer(
    1000,
    0,
    60_000,
    'Lag of the event loop beyond which requests are refused with 503; 0: no limit.',
  ),
  SHED_MEMORY_PERCENT: integer(
    92,
    0,
    100,
    'Used share of the heap beyond which requests are refused with 503; 0: no limit.',
  ),

  REDIS_MODE: choice(
    'none',
    ['none', 'single', 'sentinel', 'cluster'],
    'none (local queue), single, sentinel (a primary with replicas) or cluster.',
  ),
  REDIS_HOST: text('127.0.0.1', 'Redis, single: host.'),
  REDIS_PORT: integer(6379, 1, 65_535, 'Redis, single: port.'),
  REDIS_CLUSTER_NODES: nodes('Redis, cluster: some of its nodes; the others are found by themselves.'),
  REDIS_SENTINELS: nodes('Redis, sentinel: the sentinels.'),
  REDIS_SENTINEL_NAME: text('aidos', 'Redis, sentinel: the name under which they watch the primary.'),
  REDIS_USERNAME: text('', 'Redis: user; empty: the default user.'),
  REDIS_PASSWORD: text('', 'Redis: password, also of the sentinels.'),
  REDIS_TLS: flag(false, 'Redis: speak TLS.'),
  REDIS_TLS_CA: text('', "Redis: PEM file of the authority to trust; empty: the system's."),

  QUEUE_CONCURRENCY: integer(50, 1, 10_000, 'Tasks that one executor does at a time, per partition.'),
  QUEUE_MAX_ATTEMPTS: integer(3, 1, 100, 'Attempts of a task that does not say otherwise.'),
  QUEUE_SPLITS: integer(
    1,
    1,
    64,
    'Queues that a partition is split into; on a Redis Cluster as many as it has masters. More than 1 loosens the order.',
  ),
  QUEUE_WINDOW: integer(1000, 10, 100_000, 'Tasks per partition handed to the queue; the rest waits in the database.'),
  RUNS_LIVE_MAX: integer(
    1000,
    1,
    100_000,
    'Runs kept in memory; more wait their turn or are rebuilt from the journal.',
  ),
  SCHEDULE_LATE_MS: integer(60_000, 1000, 86_400_000, 'How late a fire of a schedule is told of as "schedule.late".'),
  SCHEDULE_HISTORY_FIRES: integer(1000, 1, 1_000_000, 'Fires of one schedule that its history keeps.'),
  SCHEDULE_HISTORY_DAYS: integer(30, 1, 3650, 'How long a fire is kept after its end.'),
  LEASE_MS: integer(15_000, 1000, 600_000, 'How long a process that does not answer keeps its work.'),

  RETENTION_RUNS_DAYS: days(30, 'Ended runs, with their journals, tasks and events, are removed after so many days'),
  RETENTION_TASKS_DAYS: days(30, 'Ended tasks without a run; never while their dead letter is open'),
  RETENTION_DELIVERIES_DAYS: days(30, 'Ended deliveries of notifications, with their attempts'),
  RETENTION_INBOX_DAYS: days(90, 'Items of the inbox, read or not'),
  RETENTION_EVENTS_DAYS: days(30, 'Events of no run and no task, such as those of agents and schedules'),
  RETENTION_AUDIT_DAYS: days(400, 'Entries of the audit log'),
  RETENTION_USAGE_DAYS: days(400, 'What each tenant has used on a day'),

  CACHE_L1_ENABLED: flag(true, 'Keep read rows in memory.'),
  CACHE_L1_MAX_SIZE: integer(1000, 1, 1_000_000, 'Entries of the memory cache per kind.'),
  CACHE_L1_TTL: integer(5000, 0, 86_400_000, 'Age of an entry of the memory cache, in milliseconds.'),
  CACHE_DEFAULT_TTL: integer(300, 1, 86_400, 'Age of an entry of the shared cache, in seconds.'),

  PUBLIC_URL: url('Where browsers reach this installation; needed for signing in.'),
  OIDC_ISSUER: url('OpenID Connect provider by which people sign in to the console; empty: nobody does.'),
  OIDC_CLIENT_ID: text('', 'What this installation is called there.'),
  OIDC_CLIENT_SECRET: text('', 'Its secret there; empty for a public client.'),
  OIDC_SCOPES: text('openid email profile', 'What is asked of the provider.'),
  OIDC_NEW_MEMBER_ROLE: choice(
    'none',
    ['none', 'owner', 'admin', 'operator', 'developer', 'viewer'],
    'Role of people who sign in without an invitation; none: they are not let in.',
  ),
  JWT_ISSUER: url('Issuer of tokens that are taken in place of API keys; empty: none are.'),
  JWT_AUDIENCE: text('', 'What such a token must be meant for.'),
  JWT_JWKS_URL: url('Where the issuer publishes its keys.'),
  CLAIM_TENANT: text('', "Claim with the tenant's name or id; empty: the tenant follows from the member."),
  CLAIM_ROLE: text('', "Claim with the role, or a list of which the highest counts; empty: the member's own."),
  CLAIM_MEMBER: text('sub', 'Claim that tells people apart.'),
  SESSION_HOURS: integer(12, 1, 720, 'How long a session of the console lasts.'),

  MODEL_BASE_URL: url('OpenAI-compatible endpoint of the default model; empty: agents must name their own.'),
  MODEL_API_KEY: text('', 'Its key.'),
  MODEL_NAME: text('', 'The model of agents that name none.'),
  MODEL_INPUT_PRICE: integer(
    0,
    0,
    1_000_000_000_000,
    'Price of a million input tokens, in millionths of your currency, of models that MODEL_PRICES does not name.',
  ),
  MODEL_OUTPUT_PRICE: integer(0, 0, 1_000_000_000_000, 'The same of output tokens.'),
  MODEL_PRICES: {
    ...variable<readonly PricedModels[]>(
      [],
      parsePrices,
      PRICES_ALLOWED,
      'Prices of models by name, like the two above; the first that fits counts.',
    ),
    wrong: wrongPrice,
  },
} as const satisfies Record<string, Variable<unknown>>

type ValueOf<V> = V extends Variable<infer T> ? T : never
type Values = { readonly [K in keyof typeof VARIABLES]: ValueOf<(typeof VARIABLES)[K]> }

export type Config = Values & { readonly playsAll: boolean }

export type Environment = Readonly<Record<string, string | undefined>>

/** A variable of the operator's own, named by a file of his: secrets of connections are not among AIDOS's variables. */
export const environmentValue = (name: string): string | undefined => process.env[name]

const SECRET = /PASSWORD|KEY|SECRET|TOKEN/

const configError = (message: string): AppError => new AppError('config_invalid', message)

/** Reads and checks every variable. Throws `config_invalid` naming all that is wrong. */
export const readConfig = (env: Environment = process.env): Config => {
  const values: Record<string, unknown> = {}
  const problems: string[] = []
  for (const [name, rule] of Object.entries(VARIABLES) as [string, Variable<unknown>][]) {
    const given = env[name]
    const value = given === undefined || given === '' ? rule.fallback : rule.parse(given)
    if (value === undefined) {
      const shown = SECRET.test(name) ? '(hidden)' : JSON.stringify(rule.wrong?.(String(given)) ?? given)
      problems.push(`${name} is ${shown}; allowed: ${rule.allowed}. ${rule.about}`)
    }
    values[name] = value
  }
  if (problems.length > 0) throw configError(problems.join('\n'))
  return checkTogether(
    Object.freeze({ ...(values as unknown as Values), playsAll: playsAll(values.AIDOS_ROLES as Role[]) }),
  )
}

const playsAll = (roles: readonly Role[]): boolean => ROLES.every((role) => roles.includes(role))

/** Rules between variables. */
const checkTogether = (config: Config): Config => {
  if (config.DB_POOL_MIN > config.DB_POOL_MAX) {
    throw configError(`DB_POOL_MIN is ${config.DB_POOL_MIN}; allowed: at most DB_POOL_MAX (${config.DB_POOL_MAX})`)
  }
  if (config.SMTP_HOST !== '' && config.SMTP_FROM === '') {
    throw configError('SMTP_HOST is set and SMTP_FROM is not; allowed: both, or neither')
  }
  if (config.SMTP_SECURITY === 'none' && config.SMTP_USER !== '') {
    throw configError(
      'SMTP_USER is set with SMTP_SECURITY "none"; a password is not sent in the clear: use tls or starttls',
    )
  }
  if (!config.playsAll && config.DB_CLIENT === 'sqlite') {
    throw configError(
      `AIDOS_ROLES is "${config.AIDOS_ROLES.join(',')}" with DB_CLIENT "sqlite"; SQLite belongs to one process that plays all roles. ` +
        'Set AIDOS_ROLES=all, or DB_CLIENT=pg (and a Redis) to split the roles over processes.',
    )
  }
  if (!config.playsAll && config.REDIS_MODE === 'none') {
    throw configError(
      `AIDOS_ROLES is "${config.AIDOS_ROLES.join(',')}" with REDIS_MODE "none"; the local queue lives in one process that plays all roles. ` +
        'Set AIDOS_ROLES=all, or REDIS_MODE=single, sentinel or cluster.',
    )
  }
  checkRedis(config)
  checkSignIn(config)
  return config
}

const checkRedis = ({ REDIS_MODE, DB_CLIENT, REDIS_CLUSTER_NODES, REDIS_SENTINELS }: Config): void => {
  if (REDIS_MODE === 'none') return
  if (DB_CLIENT === 'sqlite') {
    throw configError(
      `REDIS_MODE is "${REDIS_MODE}" with DB_CLIENT "sqlite"; SQLite belongs to one process, which needs no Redis. ` +
        'Set REDIS_MODE=none, or DB_CLIENT=pg.',
    )
  }
  if (REDIS_MODE === 'cluster' && REDIS_CLUSTER_NODES.length === 0) {
    throw configError(
      'REDIS_MODE is "cluster", but REDIS_CLUSTER_NODES is empty; name some of its nodes: host:port,host:port',
    )
  }
  if (REDIS_MODE === 'sentinel' && REDIS_SENTINELS.length === 0) {
    throw configError('REDIS_MODE is "sentinel", but REDIS_SENTINELS is empty; name the sentinels: host:port,host:port')
  }
}

const checkSignIn = (config: Config): void => {
  const missing = (names: readonly (keyof Values)[]): (keyof Values)[] => names.filter((name) => config[name] === '')
  const jwt = missing(['JWT_ISSUER', 'JWT_AUDIENCE', 'JWT_JWKS_URL'])
  if (jwt.length > 0 && jwt.length < 3) {
    throw configError(`${jwt.join(' and ')} ${jwt.length === 1 ? 'is' : 'are'} missing; tokens need all three of JWT_…`)
  }
  const oidc = missing(['OIDC_CLIENT_ID', 'PUBLIC_URL'])
  if (config.OIDC_ISSUER !== '' && oidc.length > 0) {
    throw configError(`${oidc.join(' and ')} missing; signing in over OIDC_ISSUER needs it`)
  }
}
