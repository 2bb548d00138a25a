/** Starts the real nginx with the configuration that is deployed, on loopback, with a certificate and folders of its own. */
import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import type { Cleanup } from './cleanup.ts'
import { freePort } from './free-port.ts'
import { type StartedProcess, startProcess } from './start-process.ts'
import { makeTempFolder } from './temp-folder.ts'
import { until } from './until.ts'

const run = promisify(execFile)
const CONFIG = path.resolve(import.meta.dirname, '../../deploy/nginx/nginx.conf')

export interface Nginx {
  /** `https://localhost:PORT` */
  readonly url: string
  readonly plainUrl: string
  /** To be trusted by clients. */
  readonly certificate: string
  readonly process: StartedProcess
  errorLog(): Promise<string>
}

export interface NginxOptions {
  /** Ports of the gateways on loopback. */
  readonly gateways: readonly number[]
  /** Further changes: what stands in the file, and what is to stand there. Each must be found. */
  readonly changes?: readonly (readonly [string, string])[]
}

const replace = (text: string, from: string | RegExp, to: string): string => {
  const changed = text.replace(from, to)
  if (changed === text) throw new Error(`deploy/nginx/nginx.conf no longer has: ${from}`)
  return changed
}

export const startNginx = async (t: Cleanup, { gateways, changes = [] }: NginxOptions): Promise<Nginx> => {
  const folder = await makeTempFolder(t)
  const [tlsPort, plainPort] = [await freePort(), await freePort()]
  const [key, certificate] = [path.join(folder, 'tls.key'), path.join(folder, 'tls.crt')]
  await run('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1'],
    ...['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'],
    ...['-keyout', key, '-out', certificate],
  ])
  let config = await readFile(CONFIG, 'utf8')
  const servers = gateways.map((port) => `server 127.0.0.1:${port} max_fails=1 fail_timeout=1s;`).join('\n')
  config = replace(config, /server gateway-1[\s\S]*gateway-3:.*;/, servers)
  config = replace(config, /listen 443 ssl http2;\n.*;/, `listen 127.0.0.1:${tlsPort} ssl http2;`)
  config = replace(config, /listen 80;\n.*;/, `listen 127.0.0.1:${plainPort};`)
  config = replace(config, '/etc/nginx/tls/tls.crt', certificate)
  config = replace(config, '/etc/nginx/tls/tls.key', key)
  config = replace(config, '/run/nginx.pid', path.join(folder, 'pid'))
  config = replace(config, '/var/log/nginx/error.log', path.join(folder, 'error.log'))
  config = replace(config, '/var/log/nginx/access.log', path.join(folder, 'access.log'))
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  config = replace(
    config,
    'http {',
    `http {\n${temporary.map((kind) => `  ${kind}_temp_path ${path.join(folder, kind)};`).join('\n')}`,
  )
  for (const [from, to] of changes) config = replace(config, from, to)
  const file = path.join(folder, 'nginx.conf')
  await writeFile(file, config)
  const command = process.getuid?.() === 0 ? config.replace(/^/, 'user root;\n') : config
  await writeFile(file, command)
  const missing = (cause: unknown): never => {
    throw new Error('nginx cannot be started. What to do: apt-get install nginx-light (or nginx)', { cause })
  }
  await run('nginx', ['-t', '-q', '-c', file]).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') missing(error)
    throw error
  })
  const started = await startProcess(t, { command: 'nginx', args: ['-c', file, '-g', 'daemon off;'] }).catch(missing)
  // The master ends its workers only when it is asked to, and the test's own end is a kill.
  t.after(async () => {
    started.kill('SIGTERM')
    await started.exited
  })
  const url = `https://localhost:${tlsPort}`
  const answer = () => fetch(`http://127.0.0.1:${plainPort}/`, { redirect: 'manual' }).catch(() => undefined)
  await until('nginx to answer', answer, { everyMs: 25 }).catch((cause: unknown) => {
    throw new Error(`nginx does not answer:\n${started.output()}`, { cause })
  })
  return {
    url,
    plainUrl: `http://127.0.0.1:${plainPort}`,
    certificate: await readFile(certificate, 'utf8'),
    process: started,
    errorLog: () => readFile(path.join(folder, 'error.log'), 'utf8'),
  }
}
