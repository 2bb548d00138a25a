/** The database as the rest of the house sees it: everyday queries, transactions, and the group commit of hot writes. */
import type { Kysely, Transaction } from 'kysely'
import type { Event } from '../events/event.ts'
import type { GroupCommit } from './group-commit.ts'

/** A connection or a transaction; a repository is made over one and gives it the tables it knows with `withTables`. */
export type Handle = Kysely<unknown>

export interface Database {
  readonly dialect: 'sqlite' | 'postgres'
  /** The database belongs to this process alone. */
  readonly isExclusive: boolean
  /** Reads that see every finished commit. */
  readonly primary: Handle
  /** Everyday writes: all or nothing. No network call inside. */
  transaction<T>(work: (tx: Transaction<unknown>) => Promise<T>): Promise<T>
  /** The same without a limit of time, on a connection of its own: for migrations. */
  longTransaction: Database['transaction']
  /** Hot writes; see group-commit.ts. */
  readonly commit: GroupCommit['commit']
  /** Tells of events that a statement of the caller's own has written and committed. */
  announce(events: readonly Event[]): void
  readonly commitStats: GroupCommit['stats']
  /** Throws when the database does not answer within 5 s; within 10 s, where all connections are lent out. */
  ping(): Promise<void>
  stop(): Promise<void>
}

/** The same database with some methods of its own: how an entry or a count comes to go along with every write. */
export const decorateDatabase = (db: Database, own: Partial<Database>): Database => ({ ...db, ...own })
