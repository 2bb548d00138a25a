import assert from 'node:assert/strict'
import { test } from 'node:test'
import { costOf, makePriceList, parsePrices, wrongPrice } from './model-prices.ts'

const FALLBACK = { input: 1, output: 2, cachedInput: 1 }

test('parsePrices() reads names, patterns and an optional price of cached input', () => {
  assert.deepEqual(parsePrices('gpt-5-mini=250000/2000000/25000, gpt-5*=1/2 ,'), [
    { pattern: 'gpt-5-mini', input: 250_000, output: 2_000_000, cachedInput: 25_000 },
    { pattern: 'gpt-5*', input: 1, output: 2, cachedInput: 1 },
  ])
  assert.deepEqual(parsePrices(''), [])
})

test('parsePrices() refuses a list with a wrong entry, and wrongPrice() names that entry', () => {
  const wrong = ['gpt', 'gpt=1', 'gpt=1/x', '=1/2', 'gpt=1/2/3/4', 'gpt=-1/2', 'gpt=1.5/2', '*a*b*=1/2', 'a b=1/2']
  for (const entry of [...wrong, 'gpt=1/9999999999999', 'good=7/8']) {
    assert.equal(parsePrices(`good=1/2,${entry},other=3/4`), undefined, entry)
    assert.equal(wrongPrice(`good=1/2,${entry},other=3/4`), entry)
  }
})

test('a price list takes the first entry that fits, and its default for models that it does not know', () => {
  const priceOf = makePriceList(parsePrices('gpt-5-mini=10/20,gpt-*=30/40,*/llama*=50/60')!, FALLBACK)
  assert.equal(priceOf('gpt-5-mini').input, 10)
  assert.equal(priceOf('gpt-5').input, 30)
  assert.equal(priceOf('meta/llama-4').input, 50)
  for (const unknown of ['xgpt-5', 'llama', 'GPT-5', '', 'gpt_5']) assert.equal(priceOf(unknown), FALLBACK, unknown)
  assert.equal(makePriceList(parsePrices('a.b=3/4')!, FALLBACK)('axb'), FALLBACK)
})

test('costOf() counts cached input by its own price, and rounds up', () => {
  const price = { input: 2_000_000, output: 8_000_000, cachedInput: 500_000 }
  assert.equal(costOf(price, { inputTokens: 1000, outputTokens: 100 }), 2800)
  assert.equal(costOf(price, { inputTokens: 1000, outputTokens: 100, cachedInputTokens: 600 }), 1900)
  assert.equal(costOf(price, { inputTokens: 10, outputTokens: 0, cachedInputTokens: 600 }), 5)
  assert.equal(costOf({ ...price, input: 1 }, { inputTokens: 1, outputTokens: 0 }), 1)
})
