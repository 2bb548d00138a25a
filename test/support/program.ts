/** The frame of a test that is a program of its own: what it says, the numbers it is given, and how it ends. */

export const say = (line: string): void => void process.stdout.write(`${line}\n`)

/** The value of an option; throws when it is no whole number from `least`. */
export const wholeNumber = (name: string, given: string, least = 0): number => {
  const value = Number(given)
  if (Number.isInteger(value) && value >= least) return value
  throw new Error(`--${name} must be a whole number from ${least}, was ${JSON.stringify(given)}`)
}

/** The exit status is 0 only when `main` finds that all holds; an error is printed. */
export const runProgram = (main: () => Promise<boolean>): void => {
  main().then(
    (isGood) => {
      process.exitCode = isGood ? 0 : 1
    },
    (error: unknown) => {
      process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`)
      process.exitCode = 1
    },
  )
}
