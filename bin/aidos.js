#!/usr/bin/env node
// The one entry of the command line. Plain JavaScript, so that an old Node gets a sentence instead of a syntax error.
import module from 'node:module'

const major = Number(process.versions.node.split('.')[0])
if (major < 24) {
  process.stderr.write(
    `aidos needs Node 24 or newer; this is ${process.versions.node}.\n` +
      'In the checkout of AIDOS "npx aidos COMMAND" uses the Node 24 that came with "npm ci".\n' +
      'In a project of yours "npm install --save-dev node@24" brings one, and "npx aidos COMMAND" uses it.\n',
  )
  process.exit(1)
}
module.enableCompileCache?.()
const { main } = await import('../src/cli/main.ts')
const { makeProcessIo } = await import('../src/cli/io.ts')
process.exitCode = await main(process.argv.slice(2), makeProcessIo(process))
