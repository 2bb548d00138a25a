/** The child's side of a benchmark program: answers the questions of the process that started it, one after the other. */

export interface Question {
  readonly id: number
  readonly name: string
  readonly input: unknown
}

export type Answer = { readonly id: number; readonly value: unknown } | { readonly id: number; readonly error: string }

type Commands = Readonly<Record<string, (input: never) => unknown>>

/** Tells the parent that it is ready, then answers; ends the process when the parent lets go, after `stop`. */
export const serve = (commands: Commands, stop: () => unknown = () => {}): void => {
  const send = (message: Answer | 'ready'): void => void process.send?.(message)
  const answer = async ({ id, name, input }: Question): Promise<void> => {
    try {
      const command = commands[name]
      if (!command) throw new Error(`this program knows nothing of "${name}"`)
      send({ id, value: await command(input as never) })
    } catch (error) {
      send({ id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) })
    }
  }
  process.on('message', (question: Question) => void answer(question))
  process.once('disconnect', async () => {
    await stop()
    process.exit()
  })
  send('ready')
}
