#!/usr/bin/env node
// The one entry of the command line. Plain JavaScript, so that an old Node gets a sentence instead of a syntax error.
import module from 'node:module'

const major = Number(process.versions.node.split('.')[0])
if (major < 24) {
  process.stderr.write(
    `aidos needs Node 24 or newer; this is ${process.versions.node}.\n` +
      'Inside the project, "npm run aidos -- <command>" or "npx aidos <command>" uses the pinned Node 24.\n',
  )
  process.exit(1)
}
module.enableCompileCache?.()
const { main } = await import('../src/cli/main.ts')
const { makeProcessIo } = await import('../src/cli/io.ts')
process.exitCode = await main(process.argv.slice(2), makeProcessIo(process))
