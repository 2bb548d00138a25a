/** What to do about an error that comes from the server or the network: neither knows that a command line asked. */

export const HOW_TO_START =
  'Start one with "aidos start" (leave it running, use another terminal), or name one with --url and --key.'

const BY_CODE: Readonly<Record<string, string>> = {
  unauthenticated: 'The key comes from --key, else AIDOS_KEY, else credentials.json in the data folder.',
  workflow_not_found: '"aidos workflows" lists them; an agent is run with --agent.',
  workflow_archived: 'Stored again it takes runs: "aidos workflows create FILE".',
  agent_exists: 'With --next the file is its next version.',
  skill_exists: 'With --next the file is its next version.',
  schedule_exists: 'With --replace the file takes its place.',
  agent_not_found: '"aidos agents" lists them.',
  run_not_found: '"aidos runs" lists them.',
  task_not_found: '"aidos tasks" lists them.',
  skill_not_found: '"aidos skills" lists them.',
  schedule_not_found: '"aidos schedules" lists them.',
  dead_letter_not_found: '"aidos dead-letters" lists them.',
  key_not_found: '"aidos keys" lists them.',
  operator_only: 'A key of the operator may; "aidos whoami" tells the id of your own tenant.',
  secret_not_found: '"aidos secrets" lists them.',
}

const NO_TLS = 'It does not speak TLS there: is its address http:// and not https://?'
const UNKNOWN_CERTIFICATE = 'Its certificate is not known here: name its authority in NODE_EXTRA_CA_CERTS=FILE.'

/** By the code of the network's error, when no answer came. */
const BY_CAUSE: Readonly<Record<string, string>> = {
  ECONNREFUSED: `Nobody listens there. ${HOW_TO_START}`,
  ENOTFOUND: 'There is no host of that name: look at --url or AIDOS_URL.',
  ERR_SSL_WRONG_VERSION_NUMBER: NO_TLS,
  ERR_SSL_PACKET_LENGTH_TOO_LONG: NO_TLS,
  DEPTH_ZERO_SELF_SIGNED_CERT: UNKNOWN_CERTIFICATE,
  SELF_SIGNED_CERT_IN_CHAIN: UNKNOWN_CERTIFICATE,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNKNOWN_CERTIFICATE,
}

const own = (table: Readonly<Record<string, string>>, key: unknown): string | undefined =>
  typeof key === 'string' && Object.hasOwn(table, key) ? table[key] : undefined

/** Undefined when the message says it all. */
export const nextStepOf = (error: unknown): string | undefined => {
  const { code, cause } = (error ?? {}) as { code?: unknown; cause?: { code?: unknown; cause?: { code?: unknown } } }
  if (code !== 'server_unreachable') return own(BY_CODE, code)
  return own(BY_CAUSE, cause?.cause?.code) ?? own(BY_CAUSE, cause?.code)
}
