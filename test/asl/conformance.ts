/**
 * Holds the interpreter against answers recorded from the service: `npm run conformance:asl -- FILE…`.
 * Prints passed / total per folder and per kind, then the failed cases with what differed; exits with 1 if any failed.
 */
import { readFile } from 'node:fs/promises'
import { type Case, readCases } from './case.ts'
import { checkCase, type Verdict } from './check-case.ts'

interface Row {
  readonly oneCase: Case
  readonly verdict: Verdict
}

const main = async (files: readonly string[]): Promise<number> => {
  if (files.length === 0) {
    console.error('usage: npm run conformance:asl -- FILE…')
    return 2
  }
  const rows: Row[] = []
  for (const file of files) {
    for (const oneCase of readCases(await readFile(file, 'utf8'))) {
      rows.push({ oneCase, verdict: await checkCase(oneCase) })
    }
  }
  printTable('folder', rows, ({ oneCase }) => oneCase.folder)
  printTable('kind', rows, ({ oneCase }) => oneCase.kind)
  printTable('needs', rows, ({ oneCase }) => {
    return `${oneCase.kind === 'run' ? 'run' : 'other'}, ${oneCase.needs?.length ? 'some service' : 'no service'}`
  })
  printWording(rows)
  printEach('skipped', rows)
  printEach('failed', rows)
  return rows.some(({ verdict }) => verdict.outcome === 'failed') ? 1 : 0
}

/** Skipped cases count neither way. */
const printTable = (title: string, rows: readonly Row[], keyOf: (row: Row) => string): void => {
  const groups = Map.groupBy(rows, keyOf)
  console.log(`\n${title.padEnd(30)} passed / total   skipped`)
  const line = (name: string, of: readonly Row[]): void => {
    const skipped = of.filter(({ verdict }) => verdict.outcome === 'skipped').length
    const total = of.length - skipped
    const passed = of.filter(({ verdict }) => verdict.outcome === 'passed').length
    const percent = total === 0 ? '' : `${((passed / total) * 100).toFixed(1)} %`
    console.log(
      `${name.padEnd(30)} ${String(passed).padStart(6)} / ${String(total).padEnd(5)} ${percent.padStart(8)} ${skipped || ''}`,
    )
  }
  for (const name of [...groups.keys()].sort()) line(name, groups.get(name)!)
  line('all', rows)
}

const printWording = (rows: readonly Row[]): void => {
  const worded = rows.filter(({ verdict }) => verdict.wording !== undefined)
  const same = worded.filter(({ verdict }) => verdict.wording).length
  console.log(`\ntexts in the service's own words: ${same} / ${worded.length} the same (not counted above)`)
}

const printEach = (outcome: 'failed' | 'skipped', rows: readonly Row[]): void => {
  const some = rows.filter(({ verdict }) => verdict.outcome === outcome)
  console.log(`\n${outcome}: ${some.length}`)
  for (const { oneCase, verdict } of some) console.log(`  ${oneCase.id}\n      ${verdict.why}`)
}

process.exitCode = await main(process.argv.slice(2))
