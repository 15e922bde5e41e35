/** Leases as rows: each change is one statement that compares and sets. */
import type { Holding, Lease, Leases } from '../leases.ts';
import { newCheckpoint, onCommitApplied } from './statements.ts';
import type { Tables } from './schema.ts';
import { zeroTimestamp } from '../../mutation/timestamp.ts';

type Run = <Row extends object>(
  statement: string,
  values: readonly unknown[],
  signal: AbortSignal | undefined,
) => Promise<Row[]>;

/** `int8` comes as text. */
interface LeaseRow {
  readonly holder: string;
  readonly epoch: string;
  readonly beat: string;
  readonly offered: boolean;
}

const columns = 'holder, epoch, beat, offered';
const isHeld = 'schema_name = $1 and holder = $2 and epoch = $3';

export function leasesOn(
  { lease, checkpoint }: Pick<Tables, 'lease' | 'checkpoint'>,
  run: Run,
): Leases {
  const zero = `'${zeroTimestamp}'`;
  const text = {
    read: `select ${columns} from ${lease} where schema_name = $1`,
    begin: `insert into ${lease} (schema_name, holder, epoch, beat, offered)
      values ($1, $2, 1, 1, false)
      on conflict (schema_name) do nothing
      returning ${columns}`,
    take: `update ${lease}
      set holder = $2, epoch = epoch + 1, beat = beat + 1, offered = false
      where schema_name = $1 and holder = $3 and epoch = $4 and beat = $5
      returning ${columns}`,
    renew: `update ${lease} set beat = beat + 1, offered = $4
      where ${isHeld}
      returning ${columns}`,
    raiseEpoch: `update ${lease}
      set epoch = greatest(epoch, $4::int8) + 1, beat = beat + 1
      where ${isHeld}
      returning ${columns}`,
    release: `update ${lease} set holder = '', beat = beat + 1, offered = false
      where ${isHeld}`,
    // The lock makes whoever takes over wait for this, or this see it.
    commitApplied: `with held as (
        select schema_name from ${lease} where ${isHeld} for update
      )
      ${newCheckpoint(checkpoint)}
      select schema_name, ${zero}, ${zero}, $4::text,
        case when $5::bool then $4::text else ${zero} end, ${zero}
      from held
      ${onCommitApplied}
      returning schema_name`,
  };
  const values = ({ schema, holder, epoch }: Holding): unknown[] => [
    schema,
    holder,
    epoch,
  ];

  return {
    async read(schema, signal) {
      const rows = await run<LeaseRow>(text.read, [schema], signal);
      return leaseOf(rows[0]);
    },

    async take(schema, holder, seen, signal) {
      const rows =
        seen === null
          ? await run<LeaseRow>(text.begin, [schema, holder], signal)
          : await run<LeaseRow>(
              text.take,
              [schema, holder, seen.holder, seen.epoch, seen.beat],
              signal,
            );
      return leaseOf(rows[0]);
    },

    async renew(holding, offered, signal) {
      const rows = await run(text.renew, [...values(holding), offered], signal);
      return rows.length > 0;
    },

    async raiseEpoch(holding, above, signal) {
      const rows = await run<LeaseRow>(
        text.raiseEpoch,
        [...values(holding), above],
        signal,
      );
      return leaseOf(rows[0])?.epoch ?? null;
    },

    async release(holding, signal) {
      await run(text.release, values(holding), signal);
    },

    async commitApplied(holding, applied, inTarget, signal) {
      const rows = await run(
        text.commitApplied,
        [...values(holding), applied, inTarget],
        signal,
      );
      return rows.length > 0;
    },
  };
}

function leaseOf(row: LeaseRow | undefined): Lease | null {
  return row === undefined
    ? null
    : { ...row, epoch: Number(row.epoch), beat: Number(row.beat) };
}
