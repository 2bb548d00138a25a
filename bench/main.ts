/** `npm run bench`: takes the measurements one after the other and reports them. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startBench } from './bench.ts'
import { runClusterBench } from './cluster/main.ts'
import type { Figure } from './figure.ts'
import { MEASURES } from './measures/index.ts'
import { HELP, type Options, readOptions } from './options.ts'
import { loadNow, readMachine, showFigures, showMachine, showProfile } from './report.ts'
import { runSchedulesBench } from './schedules.ts'
import { readProfiles } from './support/profile.ts'

const say = (line: string): void => void process.stdout.write(`${line}\n`)

const run = async (options: Options): Promise<void> => {
  const { only, runs, idleSeconds, profileDir } = options
  if (profileDir !== undefined) await mkdir(profileDir, { recursive: true })
  const folder = await mkdtemp(join(options.dir, 'aidos-bench-'))
  const loadBefore = loadNow()
  const measures = MEASURES.filter(({ id }) => only.includes(id))
  const figures: Figure[] = []
  try {
    const bench = await startBench({ runs, idleSeconds, folder, profileDir, say })
    try {
      for (const measure of measures) {
        process.stderr.write(`measuring [${measure.id}] ${measure.about}\n`)
        figures.push(...(await measure.run(bench)))
      }
    } finally {
      await bench.stop()
    }
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  }
  const machine = readMachine(loadBefore)
  say(`${showFigures(measures, figures)}\n\n${showMachine(machine)}`)
  if (profileDir !== undefined)
    say(`\nWhere the time went (self time):\n${showProfile(await readProfiles(profileDir))}`)
  if (options.json !== undefined) {
    const report = { at: new Date().toISOString(), machine, figures }
    await writeFile(options.json, `${JSON.stringify(report, null, 2)}\n`)
  }
}

const fail = (text: string): void => {
  process.stderr.write(`${text}\n`)
  process.exitCode = 1
}

const main = async (): Promise<void> => {
  const args = process.argv.slice(2)
  if (args.includes('--cluster')) return runClusterBench(args)
  if (process.argv[2] === 'fairness') {
    const { runFairness } = await import('./fairness.ts')
    return runFairness(process.argv.slice(3))
  }
  if (args[0] === 'schedules') return runSchedulesBench(args.slice(1))
  let options: Options
  try {
    options = readOptions(args)
  } catch (error) {
    return fail(`${(error as Error).message}. See npm run bench -- --help`)
  }
  if (options.help) say(HELP.trimEnd())
  else await run(options)
}

main().catch((error: Error) => fail(error.stack ?? error.message))
