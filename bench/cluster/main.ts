/** `npm run bench -- --cluster`: starts a cluster, takes the measurements one after the other, and reports them. */
import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { Figure } from '../figure.ts'
import { loadNow, readMachine, showFigures, showMachine } from '../report.ts'
import { MEASURES } from './measures/index.ts'
import { HELP, readClusterOptions } from './options.ts'
import { showProfiles } from './profiles.ts'
import { type ClusterBenchOptions, type Stage, startStage } from './stage.ts'

const say = (line: string): void => void process.stdout.write(`${line}\n`)

interface Report {
  readonly figures: Figure[]
  readonly notes: Record<string, readonly string[]>
  readonly failures: string[]
}

/** A measurement that fails takes none of the others with it. */
const measureAll = async (stage: Stage, report: Report): Promise<void> => {
  for (const { id, about, run } of MEASURES.filter((measure) => stage.options.only.includes(measure.id))) {
    const before = loadNow()
    process.stderr.write(`measuring [${id}] ${about} (load average ${before.toFixed(1)})\n`)
    try {
      const { figures, notes } = await run(stage)
      // Of the last minute at the begin and the end: others that work at the same time spoil the figures.
      const load = `load ${before.toFixed(1)}…${loadNow().toFixed(1)}`
      report.figures.push(...figures.map((figure) => ({ ...figure, name: `${figure.name} (${load})` })))
      report.notes[id] = notes
    } catch (error) {
      report.failures.push(`[${id}] ${(error as Error).stack ?? (error as Error).message}`)
    }
  }
}

const setting = ({ redis, replica, nginx, env }: ClusterBenchOptions): string =>
  `PostgreSQL (fsync and synchronous_commit on${replica ? ', with a replica' : ''}), Redis (${redis}), ${nginx ? 'nginx' : 'no nginx'}, all on this machine; ` +
  `settings: ${
    Object.entries(env)
      .map(([name, value]) => `${name}=${value}`)
      .join(' ') || 'the defaults'
  }`

const runBench = async (options: ClusterBenchOptions): Promise<void> => {
  const profileDir = options.profileDir && resolve(options.profileDir)
  if (profileDir !== undefined) await mkdir(profileDir, { recursive: true })
  const folder = await mkdtemp(join(await realpath(options.dir), 'aidos-bench-'))
  const loadBefore = loadNow()
  const report: Report = { figures: [], notes: {}, failures: [] }
  let profiles = ''
  try {
    const stage = await startStage({ ...options, profileDir }, folder)
    try {
      await measureAll(stage, report)
    } finally {
      await stage.stop()
    }
    if (profileDir !== undefined) profiles = await showProfiles(profileDir, stage.cluster.services)
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 })
  }
  const { figures, notes, failures } = report
  const machine = readMachine(loadBefore)
  const measured = MEASURES.filter(({ id }) => options.only.includes(id))
  say(`${showFigures(measured, figures)}\n\n${setting(options)}\n${showMachine(machine)}`)
  for (const [id, lines] of Object.entries(notes)) if (lines.length > 0) say(`\n[${id}]\n${lines.join('\n')}`)
  if (profiles !== '') say(`\nWhere the time went (self time), by role:\n${profiles}`)
  if (options.json !== undefined) {
    const json = { at: new Date().toISOString(), machine, figures, notes, failures }
    await writeFile(options.json, `${JSON.stringify(json, null, 2)}\n`)
  }
  if (failures.length > 0) throw new Error(`not measured:\n${failures.join('\n')}`)
}

/** Throws for options that are wrong; rejects when something could not be measured. */
export const runClusterBench = async (args: readonly string[]): Promise<void> => {
  const options = readClusterOptions(args)
  if (options.help) say(HELP.trimEnd())
  else await runBench(options)
}
