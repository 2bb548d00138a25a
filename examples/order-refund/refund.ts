/** A refund: a step, a task that is tried again, a wait, and an approval above a limit. */
import { z } from 'zod'
import { NonRetryableError, task, workflow } from '#sdk'

const order = z.object({ orderId: z.string().min(1), amount: z.number().positive() })
type Order = z.infer<typeof order>

const APPROVAL_FROM = 100

/** Stands for the call of a payment service. The key makes a repeated call harmless there. */
export const payBack = task(
  'pay-back',
  async ({ orderId, amount }: Order, { idempotencyKey, attempt }) => {
    if (orderId === 'A-2' && attempt === 1) throw new Error('the payment service did not answer')
    return { receipt: `R-${orderId}-${idempotencyKey.slice(-6)}`, amount }
  },
  { retry: { attempts: 4, delay: '500 ms' }, timeout: '10 s' },
)

export const orderRefund = workflow(
  'order-refund',
  async (ctx, { orderId, amount }: Order) => {
    // Runs here, and its result is written down: it never runs again, whatever happens after it.
    const found = await ctx.step('look up the order', () => {
      if (!orderId.startsWith('A-')) throw new NonRetryableError(`there is no order ${orderId}`)
      return { orderId, customer: 'Ada' }
    })
    if (amount > APPROVAL_FROM) {
      const { approved, by } = await ctx.signal<{ approved: boolean; by: string }>('approved', { timeout: '2 days' })
      if (!approved) return { refunded: false, reason: `${by} said no` }
    }
    // A moment to think it over: the run holds nothing meanwhile, and a restart does not make it longer.
    await ctx.sleep('2 seconds')
    const paid = await ctx.task<{ receipt: string }>('pay-back', { orderId, amount })
    return { refunded: true, customer: found.customer, receipt: paid.receipt }
  },
  { input: order },
)
