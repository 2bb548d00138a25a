/** `aidos doctor`: checks what a server needs and whether one answers. */
import { access, constants, stat } from 'node:fs/promises'
import { messageOf } from '../../platform/errors.ts'
import type { Command, CommandCall } from '../command.ts'
import { connect, credentialsFile, findConnection } from '../connection.ts'
import { ENV_FILE } from '../help.ts'
import { nextStepOf } from '../next-steps.ts'
import { VERSION } from '../version.ts'

interface Check {
  readonly name: string
  /** `info` is no fault. */
  readonly status: 'ok' | 'info' | 'fault'
  readonly message: string
  readonly remedy?: string | undefined
}

const node = (): Check => {
  const { node: found } = process.versions
  return Number(found.split('.')[0]) >= 24
    ? { name: 'node', status: 'ok', message: `Node ${found}` }
    : { name: 'node', status: 'fault', message: `Node ${found}`, remedy: 'Node 24 or newer is needed: npx aidos …' }
}

const settings = async (call: CommandCall): Promise<Check> => {
  const { readConfig } = await import('../../config.ts')
  try {
    const config = readConfig(call.io.env)
    const parts = [`database ${config.DB_CLIENT}`, `roles ${config.playsAll ? 'all' : config.AIDOS_ROLES.join(',')}`]
    return { name: 'settings', status: 'ok', message: `of this shell: ${parts.join(', ')}` }
  } catch (error) {
    return { name: 'settings', status: 'fault', message: (error as Error).message, remedy: 'see .env.example' }
  }
}

const credentials = async (call: CommandCall): Promise<Check> => {
  const file = credentialsFile(call.io, call.text('data-dir'))
  const info = await stat(file).catch(() => undefined)
  if (!info) return { name: 'credentials', status: 'info', message: `${file} is not there: no server was started here` }
  const isOpen = process.platform !== 'win32' && (info.mode & 0o077) !== 0
  if (isOpen) {
    const mode = (info.mode & 0o777).toString(8)
    return {
      name: 'credentials',
      status: 'fault',
      message: `${file} can be read by others (${mode})`,
      remedy: `chmod 600 ${file}`,
    }
  }
  const isReadable = await access(file, constants.R_OK).then(
    () => true,
    () => false,
  )
  return isReadable
    ? { name: 'credentials', status: 'ok', message: `${file}, for its owner alone` }
    : {
        name: 'credentials',
        status: 'fault',
        message: `${file} cannot be read`,
        remedy: 'run it as the owner of the file',
      }
}

const model = (call: CommandCall): Check => {
  const url = call.io.env.MODEL_BASE_URL
  return url
    ? { name: 'model', status: 'ok', message: `default model at ${url} (not called by this check)` }
    : {
        name: 'model',
        status: 'info',
        message: 'MODEL_BASE_URL is not set in this shell: agents of a server started here must name their own model',
      }
}

/** A proxy may keep readiness for the inside: what the key is told then has to do. */
const readiness = async (client: ReturnType<typeof connect>): Promise<Check> => {
  try {
    await client.ready()
    return { name: 'ready', status: 'ok', message: 'takes work' }
  } catch (error) {
    if ((error as { status?: unknown }).status === 404) {
      return { name: 'ready', status: 'info', message: 'not told to the outside: a proxy keeps /readyz for itself' }
    }
    return { name: 'ready', status: 'fault', message: messageOf(error), remedy: 'the log of the server tells more' }
  }
}

const acceptance = async (client: ReturnType<typeof connect>): Promise<Check> => {
  try {
    await client.runs.list({ limit: 1 })
    return { name: 'key', status: 'ok', message: 'the key is accepted' }
  } catch (error) {
    return { name: 'key', status: 'fault', message: messageOf(error), remedy: nextStepOf(error) }
  }
}

const server = async (call: CommandCall): Promise<Check[]> => {
  const given = { url: call.text('url'), key: call.text('key'), dataDir: call.text('data-dir') }
  try {
    const connection = findConnection(call.io, given)
    const client = connect(connection)
    await client.health()
    const message = `${connection.url} answers (from ${connection.from})`
    return [{ name: 'server', status: 'ok', message }, await readiness(client), await acceptance(client)]
  } catch (error) {
    const [message = '', ...remedy] = messageOf(error).split('\n')
    return [{ name: 'server', status: 'fault', message, remedy: nextStepOf(error) ?? (remedy.join(' ') || undefined) }]
  }
}

export const doctorCommand: Command = {
  name: 'doctor',
  summary: 'Check this machine, the settings and the server',
  about:
    'Tells of each thing whether it is well, and what to do where it is not. Exit status 1 if something is at fault.',
  usesServer: true,
  options: ENV_FILE,
  examples: [{ line: 'doctor', about: 'Run it first when something does not work.' }],
  async run(call) {
    const checks = [node(), await settings(call), await credentials(call), model(call), ...(await server(call))]
    const isWell = checks.every(({ status }) => status !== 'fault')
    const { green, red, dim } = call.style
    const marks = { ok: green('✔'), info: dim('·'), fault: red('✖') }
    call.show({ ok: isWell, version: VERSION, checks }, () =>
      checks
        .map(({ name, status, message, remedy }) => {
          const hint = remedy ? `\n    ${dim(remedy)}` : ''
          return `${marks[status]} ${name.padEnd(11)} ${message}${hint}`
        })
        .join('\n'),
    )
    return isWell ? 0 : 1
  },
}
