/** What models cost: prices by patterns of their names, and the cost of an answer. */

/** Of a million tokens, in millionths of the currency: the price of one token is as many millionths of a millionth. */
export interface ModelPrice {
  readonly input: number
  readonly output: number
  /** Of input that the service had at hand. */
  readonly cachedInput: number
}

export interface PricedModels extends ModelPrice {
  /** A model's name, `*` standing for any letters. */
  readonly pattern: string
}

export interface ModelTokens {
  /** All of them, those at hand included. */
  readonly inputTokens: number
  readonly outputTokens: number
  readonly cachedInputTokens?: number | undefined
}

export const PRICES_ALLOWED =
  'a list such as gpt-5-mini=250000/2000000/25000, gpt-5*=1250000/10000000: a name, with at most two *, and the prices of input / ' +
  'output / input that was cached (as input if left out), whole numbers up to 1000000000000, no name twice'

const HIGHEST = 1_000_000_000_000
const ENTRY = /^([^\s=*]*(?:\*[^\s=*]*){0,2})=(\d{1,13})\/(\d{1,13})(?:\/(\d{1,13}))?$/

const entriesOf = (text: string): string[] =>
  text
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '')

const readEntry = (entry: string): PricedModels | undefined => {
  const [, pattern, ...prices] = ENTRY.exec(entry) ?? []
  const [input = 0, output = 0, cachedInput = input] = prices.filter((price) => price !== undefined).map(Number)
  if (!pattern || Math.max(input, output, cachedInput) > HIGHEST) return undefined
  return { pattern, input, output, cachedInput }
}

/** `NAME=INPUT/OUTPUT[/CACHED], …`; undefined when an entry is none, see `wrongPrice`. */
export const parsePrices = (text: string): readonly PricedModels[] | undefined => {
  const prices = entriesOf(text).map(readEntry)
  const names = new Set(prices.map((price) => price?.pattern))
  if (names.size < prices.length || names.has(undefined)) return undefined
  return prices as PricedModels[]
}

/** The first entry for which the list is refused. */
export const wrongPrice = (text: string): string => {
  const names = new Set<string>()
  for (const entry of entriesOf(text)) {
    const price = readEntry(entry)
    if (!price || names.has(price.pattern)) return entry
    names.add(price.pattern)
  }
  return text
}

/** The first entry that fits the model's name; `fallback` where none does. */
export const makePriceList = (
  models: readonly PricedModels[],
  fallback: ModelPrice,
): ((model: string) => ModelPrice) => {
  const rules = models.map((price) => ({ price, fits: new RegExp(`^${compile(price.pattern)}$`, 's') }))
  return (model) => rules.find(({ fits }) => fits.test(model))?.price ?? fallback
}

const compile = (pattern: string): string => pattern.split('*').map(RegExp.escape).join('.*')

/** In millionths of the currency, rounded up. */
export const costOf = (
  price: ModelPrice,
  { inputTokens, outputTokens, cachedInputTokens = 0 }: ModelTokens,
): number => {
  const cached = Math.min(cachedInputTokens, inputTokens)
  const sum = (inputTokens - cached) * price.input + cached * price.cachedInput + outputTokens * price.output
  return Math.ceil(sum / 1_000_000)
}
