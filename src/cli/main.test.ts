import assert from 'node:assert/strict'
import { rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { before, describe, test } from 'node:test'
import { wholeFile } from '../../test/support/cleanup.ts'
import { freePort } from '../../test/support/free-port.ts'
import { makeTempFolder } from '../../test/support/temp-folder.ts'
import { until } from '../../test/support/until.ts'
import { runCli, startTestApp, type TestApp } from './testing.ts'

let app: TestApp
let folder: string

const HELLO = {
  StartAt: 'Greet',
  QueryLanguage: 'JSONata',
  States: {
    Greet: {
      Type: 'Task',
      Resource: 'skill:text/template',
      Arguments: { template: 'Hello {{ name }}', data: { name: '{% $states.input.name %}' } },
      End: true,
    },
  },
}

const ASKS = {
  StartAt: 'Ask',
  QueryLanguage: 'JSONata',
  States: { Ask: { Type: 'Task', Resource: 'signal:approved', TimeoutSeconds: 60, End: true } },
}

const write = (name: string, value: object): string => {
  const file = path.join(folder, name)
  writeFileSync(file, JSON.stringify(value))
  return file
}

const json = async <T>(argv: readonly string[]): Promise<T> => {
  const { status, stdout, stderr } = await app.cli([...argv, '--json'])
  assert.equal(status, 0, stderr)
  assert.equal(stderr, '')
  return JSON.parse(stdout) as T
}

before(async () => {
  folder = await makeTempFolder()
  app = await startTestApp(path.join(folder, 'data'))
  wholeFile.after(() => app.stop())
})

describe('aidos run', () => {
  test('stores a definition file, runs it and shows its timeline and output', async () => {
    const file = write('hello.asl.json', HELLO)
    const { status, stdout } = await app.cli(['run', file, '--input', '{"name":"Ada"}', '--watch'])
    assert.equal(status, 0)
    assert.match(stdout, /workflow hello, version 1/)
    assert.match(stdout, /✔ Greet skill:text\/template/)
    assert.match(stdout, /completed\n"Hello Ada"/)
    const again = await app.cli(['run', file, '--input', '-', '--watch'], { stdin: '{"name":"Bob"}' })
    assert.match(again.stdout, /workflow hello, version 1[\s\S]*"Hello Bob"/)
  })

  test('tells what to do with a file that is no definition, or whose name cannot be that of a workflow', async () => {
    const code = await app.cli(['run', 'flows/refund.ts'])
    assert.equal(code.status, 2)
    assert.match(code.stderr, /aidos start --load DIR/)
    await app.cli(['workflows', 'create', write('hello.asl.json', HELLO), '--name', 'node.js'])
    assert.equal((await app.cli(['run', 'node.js'])).status, 0, 'a name that looks as a file')
    assert.match((await app.cli(['run', 'next.js', '--agent'])).stderr, /"next\.js"/)
    const named = await app.cli(['run', write('my flow.asl.json', HELLO)])
    assert.equal(named.status, 2)
    assert.match(named.stderr, /"my flow" .* --name NAME/)
    const whole = await app.cli(['run', write('.json', HELLO)])
    assert.equal(whole.status, 2)
    assert.match((await app.cli(['workflows', 'check', folder])).stderr, /this is a folder, not a file/)
  })

  test('redraws in place on a terminal, and leaves the whole tree behind', async () => {
    const file = write('hello.asl.json', HELLO)
    const { stdout } = await app.cli(['run', file, '-i', '{"name":"Ada"}', '-w'], {
      isTTY: true,
      env: { NO_COLOR: '1' },
    })
    assert.ok(stdout.includes('\u001b[J'))
    assert.match(stdout.slice(stdout.lastIndexOf('\u001b[J')), /✔ workflow hello[\s\S]*✔ Greet/)
  })

  test('with --json prints nothing but JSON lines, the run last', async () => {
    const file = write('hello.asl.json', HELLO)
    const { stdout } = await app.cli(['run', file, '-i', '{"name":"Ada"}', '-w', '--json'])
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { event?: object; run?: { output: string } })
    assert.ok(lines.slice(0, -1).every((line) => line.event))
    assert.equal(lines.at(-1)?.run?.output, 'Hello Ada')
  })

  test('ends with status 1 and the reason when the run fails', async () => {
    const { status, stdout } = await app.cli(['run', write('hello.asl.json', HELLO), '--input', '{}', '--watch'])
    assert.equal(status, 1)
    assert.match(stdout, /failed.*: /)
  })

  test('shows afterwards how the children of a run ended, with what they did', async () => {
    await app.cli(['workflows', 'create', write('hello.asl.json', HELLO)])
    const Call = { Type: 'Task', Resource: 'workflow:hello', Arguments: { name: 'Ada' }, End: true }
    const parent = write('parent.asl.json', { StartAt: 'Call', QueryLanguage: 'JSONata', States: { Call } })
    await app.cli(['run', parent, '--watch'])
    const { items } = await json<{ items: { id: string }[] }>(['runs', '--target', 'parent'])
    const { stdout } = await app.cli(['run', 'show', items[0]!.id])
    assert.match(stdout, /^ {2}✔ Call hello /m)
    assert.match(stdout, /^ {4}✔ Greet skill:text\/template/m)
  })

  test('gives a waiting run its signal, and cancels one', async () => {
    const file = write('asks.asl.json', ASKS)
    const { id } = await json<{ id: string }>(['run', file])
    await json(['run', 'signal', id, 'approved', '--payload', '{"by":"Ada"}'])
    const watched = await app.cli(['run', 'show', id, '--watch'])
    assert.match(watched.stdout, /"by": "Ada"/)
    const other = await json<{ id: string }>(['run', 'asks'])
    await json(['run', 'cancel', other.id])
    const ended = await app.cli(['run', 'show', other.id, '--watch'])
    assert.equal(ended.status, 1)
    const shown = await app.cli(['run', 'show', other.id])
    assert.match(shown.stdout, /status +cancelled/)
    const { items } = await json<{ items: { id: string }[] }>(['runs', '--target', 'asks', '--status', 'cancelled'])
    assert.deepEqual(
      items.map((run) => run.id),
      [other.id],
    )
  })

  test('stops watching a run that was stopped, and says how to go on', async () => {
    const code = await makeTempFolder()
    const file = path.join(code, 'fickle.mjs')
    const source = (step: string) =>
      `export const fickle = { kind: 'workflow', name: 'fickle', version: 1, run: async (ctx) => {
        await ctx.step('${step}', () => 1)
        await ctx.signal('go')
      } }`
    writeFileSync(file, source('one'))
    const dataDir = path.join(code, 'data')
    const first = await startTestApp(dataDir, [code])
    await first.cli(['run', 'fickle'])
    await until('the signal to be waited for', async () => (await first.cli(['runs'])).stdout.includes('signal:go'))
    await first.stop()
    writeFileSync(path.join(code, 'fickle.mts'), source('two'))
    rmSync(file)
    const second = await startTestApp(dataDir, [code])
    wholeFile.after(() => second.stop())
    const { items } = JSON.parse((await second.cli(['runs', '--json'])).stdout) as { items: { id: string }[] }
    await second.cli(['run', 'signal', items[0]!.id, 'go'])
    const { status, stdout } = await second.cli(['run', 'show', items[0]!.id, '--watch'])
    assert.equal(status, 1)
    assert.match(stdout, /stopped.*\(nondeterminism\)\n.*aidos run continue/)
  })

  test('says what is wrong with a definition, with the place, and stores nothing', async () => {
    const file = write('bad.asl.json', { StartAt: 'A', States: { A: { Type: 'Pass', Next: 'B' } } })
    const { status, stderr } = await app.cli(['run', file])
    assert.equal(status, 1)
    assert.match(stderr, /\/States\/A/)
    const check = await app.cli(['workflows', 'check', file])
    assert.equal(check.status, 1)
    assert.match(check.stdout, /is not valid/)
    assert.equal((await app.cli(['workflows', 'show', 'bad'])).status, 1)
  })

  test('shows each finding once, and says where to look for a name that is not known', async () => {
    const bad = await app.cli(['keys', 'create', 'ci', '--expires', 'soon'])
    assert.equal(bad.stderr.split('expiresAt').length, 2, bad.stderr)
    assert.match(bad.stderr, /^error the request does not fit\n {2}body\.expiresAt: .*\(was "soon"\)\n/)
    assert.match(
      (await app.cli(['run', 'nobody'])).stderr,
      /"aidos workflows" lists them; an agent is run with --agent/,
    )
    assert.match((await app.cli(['runs', '--key', 'aidos_x'])).stderr, /--key, else AIDOS_KEY/)
  })

  test('says so when the input is no JSON, or the file is not there', async () => {
    assert.match((await app.cli(['run', 'hello', '--input', 'Ada'])).stderr, /--input is not JSON.*was Ada/)
    assert.match((await app.cli(['run', 'no.asl.json'])).stderr, /no\.asl\.json: there is no such file/)
    assert.match((await app.cli(['run', 'nobody'])).stderr, /nobody/)
  })
})

describe('aidos tasks, dead-letters', () => {
  test('make, show and redrive a task that used up its attempts', async () => {
    const fail = ['tasks', 'create', 'core/fail', '--input', '{"retryable":false,"message":"as asked"}']
    const { id } = await json<{ id: string }>(fail)
    const letter = () =>
      until('the dead letter', async () => {
        const { items } = await json<{ items: { id: string; taskId: string }[] }>(['dead-letters', 'list'])
        return items[0]
      })
    assert.equal((await letter()).taskId, id)
    assert.match((await app.cli(['dead-letters'])).stdout, /not_retryable.*as asked/)
    assert.match((await app.cli(['tasks', 'show', id])).stdout, /status +dead/)
    const { count } = await json<{ count: number }>(['dead-letters', 'redrive', '--kind', 'skill:core/fail'])
    assert.equal(count, 1)
    await json(['dead-letters', 'discard', (await letter()).id])
    assert.match((await app.cli(['dead-letters'])).stdout, /no dead letters/)
    assert.match((await app.cli(['tasks', '--status', 'dead'])).stdout, new RegExp(id))
  })
})

describe('aidos tasks create --watch', () => {
  test('shows what came of the task, and ends as it ended', async () => {
    const well = await app.cli(['tasks', 'create', 'core/echo', '--input', '{"a":1}', '--watch'])
    assert.equal(well.status, 0, well.stderr)
    assert.match(well.stdout, /^completed\n[\s\S]*"a": 1/)
    const input = '{"retryable":false,"message":"as asked"}'
    const ill = await app.cli(['tasks', 'create', 'core/fail', '--input', input, '--watch'])
    assert.equal(ill.status, 1)
    assert.match(ill.stdout, /^dead: as asked/)
    const { items } = await json<{ items: { id: string }[] }>(['dead-letters'])
    await json(['dead-letters', 'discard', items[0]!.id])
  })

  test('broken off leaves the task alone', async () => {
    const stop = new AbortController()
    stop.abort()
    const { status, stdout } = await app.cli(['tasks', 'create', 'core/echo', '--delay', '1 hour', '-w'], {
      stop: stop.signal,
    })
    assert.equal(status, 130)
    const [, id = ''] = /aidos tasks show (\S+)/.exec(stdout) ?? []
    assert.match((await app.cli(['tasks', 'show', id])).stdout, /status +scheduled/)
    await json(['tasks', 'cancel', id])
  })
})

describe('aidos agents, skills, workflows, keys', () => {
  test('walk an agent through its life', async () => {
    const file = path.join(folder, 'agent.yaml')
    writeFileSync(file, 'instructions: Be kind.\nmodel: { baseUrl: "http://127.0.0.1:1/v1", name: none }\n')
    assert.match((await app.cli(['agents', 'create', 'kind', file])).stdout, /version 1, is draft/)
    for (const [move, state] of [
      ['activate', 'active'],
      ['pause', 'paused'],
      ['resume', 'active'],
      ['pause', 'paused'],
      ['archive', 'archived'],
    ])
      assert.match((await app.cli(['agents', move!, 'kind'])).stdout, new RegExp(`is ${state}`))
    assert.match((await app.cli(['agents', 'list'])).stdout, /kind +\S+ +archived/)
    assert.match((await app.cli(['agents', 'activate', 'kind'])).stderr, /archived/)
  })

  test('make a skill of a file and show its tools', async () => {
    const source = 'export const twice = ({ n }) => n * 2'
    const tools = [{ name: 'twice', description: 'Doubles a number for you.' }]
    const file = write('sums.json', { kind: 'function', description: 'Sums.', source, tools })
    assert.match((await app.cli(['skills', 'create', 'sums', file])).stdout, /skill sums, version 1/)
    assert.match((await app.cli(['skills', 'show', 'sums'])).stdout, /skill:sums\/twice +Doubles/)
    assert.match((await app.cli(['skills'])).stdout, /files +builtin/)
    const task = await json<{ id: string }>(['tasks', 'create', 'sums/twice', '-i', '{"n":21}'])
    const shown = await until('the end of the task', async () => {
      const { stdout } = await app.cli(['tasks', 'show', task.id])
      return /status +completed/.test(stdout) && stdout
    })
    assert.match(shown, /output +42/)
  })

  test('list, show and archive workflows', async () => {
    assert.match(
      (await app.cli(['workflows', 'create', write('asks.asl.json', ASKS)])).stdout,
      /workflow asks, version 1/,
    )
    assert.match((await app.cli(['workflows'])).stdout, /asks +States Language +active/)
    await json(['workflows', 'archive', 'asks'])
    assert.equal((await app.cli(['run', 'asks'])).status, 1)
  })

  test('make a key that can do what its scopes say and no more, until it is revoked', async () => {
    const made = await json<{ id: string; key: string }>(['keys', 'create', 'reader', '--scope', 'runs:read'])
    const env = { AIDOS_URL: app.url!, AIDOS_KEY: made.key }
    assert.equal((await app.cli(['runs'], { env })).status, 0)
    assert.match((await app.cli(['skills'], { env })).stderr, /skills:read/)
    await json(['keys', 'revoke', made.id])
    assert.match((await app.cli(['runs'], { env })).stderr, /revoked/)
    assert.match((await app.cli(['keys'])).stdout, /reader +revoked/)
  })
})

describe('finding the server', () => {
  test('a folder without one gets told how to start one', async () => {
    const { status, stderr } = await runCli(['runs', '--data-dir', path.join(folder, 'none')])
    assert.equal(status, 1)
    assert.match(stderr, /aidos start/)
    const gone = await runCli(['runs', '--url', `http://127.0.0.1:${await freePort()}`, '--key', 'k'])
    assert.match(gone.stderr, /no answer from http:[\s\S]*aidos start/)
  })

  test('the stored key is not sent to another server', async () => {
    const { stderr } = await app.cli(['runs', '--url', 'http://127.0.0.1:1'])
    assert.match(stderr, /no key for http:\/\/127\.0\.0\.1:1/)
  })

  test('doctor finds nothing wrong where a proxy keeps the readiness to itself', async (t) => {
    const proxy = createServer(async ({ url = '', headers: { authorization = '' } }, response) => {
      if (url === '/readyz') return response.writeHead(404).end()
      const answer = await fetch(`${app.url}${url}`, { headers: { authorization } })
      return response.writeHead(answer.status, { 'content-type': 'application/json' }).end(await answer.text())
    })
    t.after(() => proxy.close())
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
    const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
    const { status, stdout } = await app.cli(['doctor', '--url', url, '--key', app.key!])
    assert.equal(status, 0, stdout)
    assert.match(stdout, /· ready +not told[\s\S]*✔ key/)
    const refused = await app.cli(['doctor', '--url', url, '--key', 'aidos_x'])
    assert.equal(refused.status, 1)
    assert.match(refused.stdout, /✖ key[\s\S]*AIDOS_KEY/)
  })

  test('doctor tells what is well and what is not', async () => {
    const well = await app.cli(['doctor'])
    assert.equal(well.status, 0, well.stdout)
    assert.match(well.stdout, /✔ server.*✔ ready.*✔ key/s)
    const ill = await runCli(['doctor', '--json'], { env: { AIDOS_DATA_DIR: path.join(folder, 'none'), PORT: 'high' } })
    assert.equal(ill.status, 1)
    const { checks } = JSON.parse(ill.stdout) as { checks: { name: string; status: string; message: string }[] }
    const faults = checks.filter((check) => check.status === 'fault')
    assert.deepEqual(
      faults.map((check) => check.name),
      ['settings', 'server'],
    )
    assert.match(faults[0]!.message, /PORT is "high"/)
  })
})

describe('aidos start', () => {
  test('runs until it is stopped, with the definitions of a folder, and keeps its key to its owner', async () => {
    const code = await makeTempFolder()
    writeFileSync(path.join(code, 'hello.asl.json'), JSON.stringify(HELLO))
    const dataDir = path.join(code, '.aidos')
    const stop = new AbortController()
    let url = ''
    const running = runCli(['start', '--port', '0', '--data-dir', dataDir, '--load', code], {
      env: { LOG_LEVEL: 'silent', SHUTDOWN_GRACE_MS: '0' },
      stop: stop.signal,
      onOutput(text) {
        const found = /AIDOS runs at (\S+)/.exec(text)?.[1]
        if (found === undefined || url !== '') return
        url = found
        const env = { AIDOS_DATA_DIR: dataDir }
        void runCli(['run', 'hello', '-i', '{"name":"Ada"}', '-w'], { env }).then((result) => {
          ran = result.stdout
          stop.abort()
        })
      },
    })
    let ran = ''
    const { status, stdout } = await running
    assert.equal(status, 0)
    assert.match(stdout, /loaded workflow "hello" version 1/)
    assert.match(ran, /"Hello Ada"/)
    assert.equal(statSync(path.join(dataDir, 'credentials.json')).mode & 0o777, 0o600)
    await assert.rejects(fetch(url))
  })

  test('dev takes up a change as it is saved', async () => {
    const code = await makeTempFolder()
    const file = path.join(code, 'hello.asl.json')
    writeFileSync(file, JSON.stringify(HELLO))
    const stop = new AbortController()
    const steps: [RegExp, () => void][] = [
      [/version 1 .*[\s\S]*AIDOS runs/, () => writeFileSync(file, JSON.stringify({ ...HELLO, Comment: 'changed' }))],
      [/version 2 /, () => stop.abort()],
    ]
    const { status, stdout } = await runCli(['dev', code, '--port', '0', '--data-dir', path.join(folder, 'dev')], {
      env: { LOG_LEVEL: 'silent', SHUTDOWN_GRACE_MS: '0' },
      stop: stop.signal,
      onOutput(text) {
        if (steps[0]?.[0].test(text)) steps.shift()?.[1]()
      },
    })
    assert.equal(status, 0)
    assert.match(stdout, /watches/)
  })

  test('refuses a bad setting by its name, before anything is started', async () => {
    const { status, stderr } = await runCli(['start', '--port', 'high', '--data-dir', path.join(folder, 'unused')])
    assert.equal(status, 1)
    assert.match(stderr, /PORT is "high"/)
  })
})
