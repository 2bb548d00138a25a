import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { readConfig, VARIABLES } from './config.ts'

test('readConfig() names the variable, the value and what is allowed', () => {
  assert.throws(() => readConfig({ PORT: '70000' }), /PORT is "70000"; allowed: a whole number from 0 to 65535/)
  assert.throws(
    () => readConfig({ AIDOS_ROLES: 'gateway,nobody' }),
    /AIDOS_ROLES is "gateway,nobody"; allowed: all, or a list of/,
  )
})

test('readConfig() names what is wrong in a list of prices', () => {
  const given = { MODEL_PRICES: 'gpt-5=1/2, claude=x/2, other=3/4' }
  assert.throws(() => readConfig(given), /MODEL_PRICES is "claude=x\/2"; allowed: a list such as gpt-5-mini=250000/)
  assert.equal(readConfig({ MODEL_PRICES: 'gpt-5*=1/2' }).MODEL_PRICES[0]?.output, 2)
})

test('readConfig() names every bad value at once', () => {
  assert.throws(() => readConfig({ PORT: 'x', LOG_LEVEL: 'loud' }), /PORT is "x"[\s\S]*LOG_LEVEL is "loud"/)
})

test('readConfig() refuses SQLite when one process does not play all roles', () => {
  assert.throws(() => readConfig({ AIDOS_ROLES: 'gateway' }), /SQLite belongs to one process that plays all roles/)
})

test('readConfig() refuses the local queue when one process does not play all roles', () => {
  assert.throws(() => readConfig({ AIDOS_ROLES: 'gateway', DB_CLIENT: 'pg' }), /the local queue lives in one process/)
})

test('readConfig() plays all roles on SQLite by default', () => {
  const config = readConfig({})
  assert.equal(config.playsAll, true)
  assert.equal(config.DB_CLIENT, 'sqlite')
  assert.equal(config.HOST, '127.0.0.1')
})

test('readConfig() never shows the value of a secret', () => {
  assert.doesNotMatch(
    (() => {
      try {
        readConfig({ DB_PASSWORD: 'hunter2', PORT: 'x' })
        return ''
      } catch (error) {
        return String(error)
      }
    })(),
    /hunter2/,
  )
})

test('.env.example documents every variable and no other', () => {
  const lines = readFileSync(new URL('../.env.example', import.meta.url), 'utf8').split('\n')
  const documented = lines.flatMap((line) => /^#?\s?([A-Z][A-Z0-9_]+)=/.exec(line)?.[1] ?? [])
  assert.deepEqual(documented.toSorted(), Object.keys(VARIABLES).toSorted())
})
