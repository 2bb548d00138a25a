import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Command } from './command.ts'
import { commands } from './commands.ts'
import { nearest } from './nearest.ts'
import { runCli } from './testing.ts'

const walk = (list: readonly Command[], path: readonly string[] = []): [string[], Command][] =>
  list.flatMap((command) => {
    const here = [...path, command.name]
    return [[here, command] as [string[], Command], ...walk(command.commands ?? [], here)]
  })

describe('--help', () => {
  test('lists every command', async () => {
    const { status, stdout } = await runCli(['--help'])
    assert.equal(status, 0)
    for (const { name, summary } of commands) assert.match(stdout, new RegExp(`  ${name} +${summary.slice(0, 20)}`))
  })

  test('of every command tells its usage, options and examples', async () => {
    for (const [path, command] of walk(commands)) {
      const { status, stdout } = await runCli([...path, '--help'])
      assert.equal(status, 0, path.join(' '))
      assert.ok(stdout.includes(`aidos ${path.join(' ')}`) && stdout.includes(command.summary), path.join(' '))
      for (const option of Object.keys(command.options ?? {})) assert.ok(stdout.includes(`--${option}`), option)
      for (const { line } of command.examples ?? []) assert.ok(stdout.includes(`aidos ${line}`), line)
    }
  })

  test('teaches: each command of the first level says what it is by an example or by its commands', () => {
    for (const { name, examples = [], commands: inner = [] } of commands) {
      assert.ok(examples.length > 0 || inner.length > 0, name)
    }
  })

  test('examples name commands and options that exist', async () => {
    const known = new Map(walk(commands).map(([path, command]) => [path.join(' '), command]))
    for (const { line } of [...known.values()].flatMap(({ examples = [] }) => examples)) {
      const words = line.split(' ')
      const command = known.get(words.slice(0, 2).join(' ')) ?? known.get(words[0]!)
      assert.ok(command, line)
      for (const option of line.match(/--[a-z-]+/g) ?? []) {
        const names = [...Object.keys(command.options ?? {}), 'json', 'url', 'key', 'data-dir']
        assert.ok(names.includes(option.slice(2)), `${line}: ${option}`)
      }
    }
  })
})

describe('what cannot be understood', () => {
  test('is named, with the nearest known, and ends with status 2', async () => {
    const cases: [string[], RegExp][] = [
      [['rnu'], /no command "rnu"; did you mean "run"\?/],
      [['xyzzy'], /no command "xyzzy"\n/],
      [['agents', 'activte', 'a'], /no command "activte"; did you mean "activate"\?/],
      [['runs', '--statsu', 'failed'], /no option --statsu; did you mean "--status"\?/],
      [['runs', '--limit', 'many'], /--limit is "many"; allowed: a whole number from 1/],
      [['runs', '--limit', '501'], /--limit is "501"; allowed: a whole number from 1 to 500/],
      [['runs', '--status', 'wating'], /--status is "wating"; did you mean "waiting"\?; allowed: queued, /],
      [['tasks', 'create', 'core/echo', '--priority', 'x'], /--priority is "x"; allowed: critical, high, normal, low/],
      [['run'], /"aidos run" needs FILE\|NAME\nUsage: aidos run FILE\|NAME/],
      [['agents', 'create'], /needs NAME and FILE\n/],
      [['run', 'signal', 'ID'], /needs NAME\n/],
      [['queues', 'limit', 'tasks'], /say what to limit/],
      [['runs', '--url', 'localhost'], /--url is "localhost"; allowed: a URL such as/],
      [['run', 'a', 'b'], /does not take "b"/],
      [['runs', '--status'], /--status/],
      [['dead-letters', 'redrive'], /say which/],
    ]
    for (const [argv, message] of cases) {
      const { status, stdout, stderr } = await runCli(argv, {
        env: { AIDOS_URL: 'http://127.0.0.1:1', AIDOS_KEY: 'k' },
      })
      assert.equal(status, 2, argv.join(' '))
      assert.match(stderr, message)
      assert.equal(stdout, '')
    }
  })

  test('with --json is an error as JSON', async () => {
    const { status, stderr } = await runCli(['runs', '--nope', '--json'])
    assert.equal(status, 2)
    assert.equal((JSON.parse(stderr) as { error: { code: string } }).error.code, 'usage_invalid')
  })

  test('no command at all shows the help, with status 2', async () => {
    const { status, stdout } = await runCli([])
    assert.equal(status, 2)
    assert.match(stdout, /First steps/)
  })
})

test('nearest() finds a slip of the keyboard and makes no wild guess', () => {
  const known = ['start', 'status', 'run', 'runs', 'agents']
  assert.equal(nearest('strat', known), 'start')
  assert.equal(nearest('rnus', known), 'runs')
  assert.equal(nearest('AGENT', known), 'agents')
  assert.equal(nearest('kubernetes', known), undefined)
})
