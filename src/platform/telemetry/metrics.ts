/** Figures for Prometheus. Read when asked for: keeping them costs nothing between two scrapes. */
import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { HttpServer, Routes } from '../http/server.ts'

export interface Metrics {
  readonly registry: Registry
  /** A figure that is read at each scrape, per label value or alone. */
  gauge(name: string, help: string, read: () => number | Promise<number>): void
  gaugeBy(name: string, help: string, label: string, read: () => Promise<Record<string, number>>): void
  /** A figure that only grows, by label value: its name ends in `_total`. */
  counterBy(name: string, help: string, label: string, read: () => ReadonlyMap<string, number>): void
  /** The returned function takes a value. */
  histogram(name: string, help: string, buckets: readonly number[]): (value: number) => void
}

export const makeMetrics = (): Metrics => {
  const registry = new Registry()
  return {
    registry,
    gauge(name, help, read) {
      new Gauge({
        name,
        help,
        registers: [registry],
        async collect() {
          this.set(await read())
        },
      })
    },
    gaugeBy(name, help, label, read) {
      new Gauge({
        name,
        help,
        labelNames: [label],
        registers: [registry],
        async collect() {
          this.reset()
          for (const [value, figure] of Object.entries(await read())) this.set({ [label]: value }, figure)
        },
      })
    },
    counterBy(name, help, label, read) {
      new Counter({
        name,
        help,
        labelNames: [label],
        registers: [registry],
        collect() {
          this.reset()
          for (const [value, figure] of read()) this.inc({ [label]: value }, figure)
        },
      })
    },
    histogram(name, help, buckets) {
      const histogram = new Histogram({ name, help, buckets: [...buckets], registers: [registry] })
      return (value) => histogram.observe(value)
    },
  }
}

/** Counts and times of requests, by route and status. */
const observeRequests = (server: HttpServer, { registry }: Metrics): void => {
  const durations = new Histogram({
    name: 'aidos_http_request_seconds',
    help: 'Duration of HTTP requests.',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5],
    registers: [registry],
  })
  server.addHook('onResponse', (request, reply, done) => {
    const route = request.routeOptions.url ?? 'none'
    durations.observe({ method: request.method, route, status: reply.statusCode }, reply.elapsedTime / 1000)
    done()
  })
}

export interface HealthOptions {
  readonly metrics: Metrics
  /** Throws with the reason when the process cannot do its work. */
  ready(): Promise<void>
}

/** `/healthz`: the process lives. `/readyz`: it can do its work. `/metrics`: figures, none of them of a tenant. */
export const makeHealthRoutes =
  ({ metrics, ready }: HealthOptions): Routes =>
  (server) => {
    const open = { config: { public: true } }
    const tags = ['operations']
    observeRequests(server, metrics)
    server.get('/healthz', { ...open, schema: { tags, summary: 'The process lives' } }, async () => ({ status: 'ok' }))
    server.get(
      '/readyz',
      { ...open, schema: { tags, summary: 'The process can do its work' } },
      async (_request, reply) => {
        try {
          await ready()
          return { status: 'ready' }
        } catch (error) {
          return reply
            .code(503)
            .send({ status: 'not ready', reason: error instanceof Error ? error.message : String(error) })
        }
      },
    )
    server.get('/metrics', { ...open, schema: { tags, summary: 'Prometheus metrics' } }, async (_request, reply) =>
      reply
        .type(metrics.registry.contentType)
        .serializer((text: string) => text)
        .send(await metrics.registry.metrics()),
    )
  }
