/**
 * nginx before the gateways of a local cluster: the configuration of deploy/nginx, without TLS and without limits per address (here all
 * callers share one address), with ports and folders of its own.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { ensureInstalled } from '../test/support/debian-packages.ts'
import { type Child, makeChild } from './child.ts'
import { eventually } from './eventually.ts'
import type { Leash } from './leash.ts'

export interface Nginx {
  readonly url: string
  readonly child: Child
  stop(): Promise<void>
}

export interface NginxOptions {
  readonly folder: string
  readonly logs: string
  readonly port: number
  readonly gatewayPorts: readonly number[]
  readonly leash: Leash
}

const SOURCE = path.join(import.meta.dirname, '../deploy/nginx/nginx.conf')

type Places = Pick<NginxOptions, 'folder' | 'logs' | 'port' | 'gatewayPorts'>

/** The edge's configuration as this machine needs it. Throws when it is not of the form that is known here. */
export const localConfig = (source: string, { folder, logs, port, gatewayPorts }: Places): string => {
  const servers = gatewayPorts.map((gateway) => `    server 127.0.0.1:${gateway} max_fails=1 fail_timeout=1s;`)
  const withoutRedirect = source.replace(/^ {2}server \{\n(?:(?! {2}\}).*\n)*?.*return 308.*\n {2}\}\n/m, '')
  const lines = withoutRedirect.split('\n').filter((line) => {
    const word = line.trim().split(/\s/)[0] ?? ''
    const isLimit = /^limit_(req|conn)/.test(word)
    const isTls = word.startsWith('ssl_') || /^add_header strict-transport-security/.test(line.trim())
    return !isLimit && !isTls && !/^\s*listen \[/.test(line) && word !== 'user'
  })
  const text = lines
    .join('\n')
    .replace(/worker_processes .*;/, 'worker_processes 1;')
    .replace(/worker_rlimit_nofile .*;\n/, '')
    .replace(/pid .*;/, `pid ${folder}/nginx.pid;`)
    .replace(/error_log \S+/, `error_log ${logs}/nginx-error.log`)
    .replace(/access_log \S+/, `access_log ${logs}/nginx-access.log`)
    .replace(/listen 443[^;]*;/, `listen 127.0.0.1:${port};`)
    .replace(/(?:^ +server gateway-.*\n)+/m, `${servers.join('\n')}\n`)
    .replace(
      'http {',
      `http {\n${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `  ${kind}_temp_path ${folder}/${kind};`).join('\n')}`,
    )
  if (
    !text.includes(`listen 127.0.0.1:${port};`) ||
    !text.includes(servers[0] ?? 'server 127') ||
    text.includes(' 308 ')
  ) {
    throw new Error(`${SOURCE} has another form than cluster/nginx.ts knows: mend localConfig there`)
  }
  // Run by root, its workers are root's too: they must be able to write into the folder.
  return process.getuid?.() === 0 ? `user root;\n${text}` : text
}

export const startNginx = async (options: NginxOptions): Promise<Nginx> => {
  await ensureInstalled(['nginx'])
  const { logs, port, leash } = options
  const folder = path.join(options.folder, 'nginx')
  await mkdir(folder, { recursive: true })
  const file = path.join(folder, 'nginx.conf')
  await writeFile(file, localConfig(await readFile(SOURCE, 'utf8'), { ...options, folder }))
  const command = [
    ...leash('QUIT'),
    'nginx',
    '-p',
    folder,
    '-e',
    `${logs}/nginx-error.log`,
    '-c',
    file,
    '-g',
    'daemon off;',
  ]
  const child = makeChild({
    name: 'nginx',
    command: command as [string, ...string[]],
    // Servers lie in /usr/sbin, which the PATH of an ordinary user may leave out.
    env: { PATH: `${process.env.PATH}:/usr/sbin` },
    cwd: folder,
    logFile: path.join(logs, 'nginx.log'),
    restartAfterMs: 500,
  })
  const url = `http://127.0.0.1:${port}`
  child.start()
  const hopeless = (): string | undefined => (child.isRunning ? undefined : `it ended, see ${logs}/nginx-error.log`)
  try {
    await eventually(async () => (await fetch(`${url}/healthz`)).ok, {
      what: 'nginx to answer',
      withinMs: 20_000,
      hopeless,
    })
  } catch (error) {
    await child.stop()
    throw error
  }
  return { url, child, stop: () => child.stop('SIGTERM', 3000) }
}
