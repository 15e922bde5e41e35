/** What goes right before a commit, and what is wrong where it did not hold. */
import type { CommitMark } from '../target.ts';
import { isMove, notHeld } from '../watermark.ts';
import type { PostgresConnection } from './session/driver.ts';
import {
  fenceStatement,
  moveCheckpointStatement,
  readCheckpointStatement,
} from './statements/watermark-statements.ts';
import { textParameters } from './values/parameters.ts';

/** Divides by zero where the mark does not hold. */
export function sendMark(
  connection: PostgresConnection,
  mark: CommitMark,
): Promise<unknown> {
  const { schema } = mark;
  return isMove(mark)
    ? connection.execute(
        moveCheckpointStatement(schema),
        textParameters([
          schema,
          mark.checkpoint.applied,
          String(mark.checkpoint.epoch),
          mark.previous,
        ]),
      )
    : connection.execute(
        fenceStatement(schema),
        textParameters([schema, String(mark.epoch)]),
      );
}

/** Outside any transaction. */
export async function whyNotHeld(
  connection: PostgresConnection,
  mark: CommitMark,
): Promise<Error> {
  const { rows } = await connection.query(
    readCheckpointStatement(mark.schema),
    [mark.schema],
  );
  return notHeld(mark, rows[0]);
}
