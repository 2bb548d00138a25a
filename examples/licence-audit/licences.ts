/** The skill `licences`: functions that run in a sandbox, without files or network; what they work on is handed to them. */
import { functionSkill } from '#sdk'

interface LockFile {
  packages?: Record<string, { name?: string; version?: string; link?: boolean }>
}

interface Package {
  name: string
  version: string
  installed: boolean
  licence?: string
}

interface Group {
  licence: string
  family: string
  packages: string[]
}

interface Report {
  date: string
  audit: { total: number; installed: number; notInstalled: string[]; groups: Group[] }
  findings: { summary: string; writtenBy?: string; findings: { risk: string; licence: string; finding: string }[] }
  approval: { by?: string }
}

export const licences = functionSkill({
  name: 'licences',
  description: 'Works out which licences the packages of a project come under.',
  tools: [
    {
      name: 'list_packages',
      description: 'Lists the packages of an npm lock file (version 2 or 3) with the folder that each is installed in.',
      inputSchema: { type: 'object', required: ['packages'], properties: { packages: { type: 'object' } } },
      run: ({ packages = {} }: LockFile) => ({
        // The entry with an empty path is the project itself; a link is a workspace of it.
        packages: Object.entries(packages)
          .filter(([path, entry]) => path !== '' && !entry.link)
          .map(([path, entry]) => ({
            path,
            name: entry.name ?? path.slice(path.lastIndexOf('node_modules/') + 13),
            version: entry.version ?? '',
          })),
      }),
    },
    {
      name: 'group',
      description: 'Groups packages by licence, the most used first, and tells the family of each licence.',
      inputSchema: { type: 'object', required: ['packages'], properties: { packages: { type: 'array' } } },
      run: ({ packages }: { packages: Package[] }) => {
        const permissive =
          /^(MIT|MIT-0|ISC|BSD-[23]-Clause|Apache-2\.0|0BSD|BlueOak-1\.0\.0|Unlicense|CC0-1\.0|Python-2\.0|Zlib)$/
        const copyleft = /^(A|L)?GPL|^MPL|^EPL|^CDDL|^EUPL/
        // Of "A OR B" the user may choose: it is as free as the freest of them.
        const familyOf = (licence: string): string => {
          const choices = licence.replace(/[()]/g, '').split(/ OR /)
          if (choices.some((one) => one.split(/ AND /).every((part) => permissive.test(part)))) return 'permissive'
          if (choices.some((one) => copyleft.test(one))) return 'copyleft'
          return 'unclear'
        }
        const groups = new Map<string, string[]>()
        const installed = packages.filter((one) => one.installed)
        for (const { name, version, licence = 'none stated' } of installed) {
          groups.set(licence, [...(groups.get(licence) ?? []), `${name}@${version}`])
        }
        return {
          total: packages.length,
          installed: installed.length,
          notInstalled: packages.filter((one) => !one.installed).map((one) => `${one.name}@${one.version}`),
          groups: [...groups]
            .map(([licence, names]) => ({ licence, family: familyOf(licence), packages: names.sort() }))
            .sort((a, b) => b.packages.length - a.packages.length || (a.licence < b.licence ? -1 : 1)),
        }
      },
    },
    {
      name: 'duties',
      description: 'Tells what a licence asks of those who ship software under it.',
      inputSchema: { type: 'object', required: ['licence'], properties: { licence: { type: 'string' } } },
      run: ({ licence }: { licence: string }) => {
        // The least demanding first: of "A OR B" the user may choose.
        const known: [RegExp, string][] = [
          [/^(0BSD|MIT-0|Unlicense|CC0)/, 'Nothing has to be done.'],
          [/^(MIT|ISC|BSD|Apache|BlueOak)/, 'Keep the licence text and the copyright notice.'],
          [/^(LGPL|MPL|EPL|CDDL)/, 'Offer the source of the changed files; other files may be licensed otherwise.'],
          [/^GPL/, 'Offer the source of the whole work to everybody who is given it.'],
          [/^AGPL/, 'Offer the source to everybody who uses the software, over a network too.'],
          [/^none stated$/, 'Nothing is allowed until the author says so: ask, or use something else.'],
        ]
        const choices = licence
          .replace(/[()]/g, '')
          .split(/ OR /)
          .filter((one) => !one.includes(' AND '))
        const duty = known.find(([pattern]) => choices.some((one) => pattern.test(one)))?.[1]
        return { licence, duty: duty ?? 'Not known here: read the text of the licence.' }
      },
    },
    {
      name: 'report',
      description: 'Writes the audit as a Markdown document.',
      inputSchema: { type: 'object', required: ['audit', 'findings', 'approval', 'date'] },
      run: ({ audit, findings, approval, date }: Report) => {
        const cell = (text: string): string => String(text).replaceAll('|', '\\|').replaceAll('\n', ' ')
        const lines = [
          '# Licence audit',
          '',
          `${date}. ${audit.total} packages in the lock file, ${audit.installed} of them installed here.`,
          `Approved by ${approval.by ?? 'somebody who did not say who'}.`,
          '',
          '## Findings',
          '',
          findings.summary,
          '',
          ...findings.findings.map((one) => `- **${one.licence}** (risk: ${one.risk}): ${one.finding}`),
          '',
          ...(findings.writtenBy ? [`Written by: ${findings.writtenBy}`, ''] : []),
          '## Licences',
          '',
          '| licence | family | packages |',
          '|---|---|---:|',
          ...audit.groups.map((one) => `| ${cell(one.licence)} | ${one.family} | ${one.packages.length} |`),
          '',
          ...audit.groups.flatMap((one) => [`### ${one.licence}`, '', one.packages.join(', '), '']),
          ...(audit.notInstalled.length > 0
            ? ['## Not installed on this machine', '', audit.notInstalled.join(', '), '']
            : []),
        ]
        return { markdown: lines.join('\n') }
      },
    },
  ],
})
