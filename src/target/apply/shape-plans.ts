import { requireKey } from '../require-key.ts';
import type { ShapeRows, TableShape } from '../target.ts';

/** What an engine makes of a shape, worked out once. */
export class ShapePlans<Plan> {
  readonly #plans = new WeakMap<TableShape, Map<string, Plan>>();
  readonly #newPlan: (rows: ShapeRows) => Plan;

  /** `newPlan` sees the first rows of a shape, and uses no value of them. */
  constructor(newPlan: (rows: ShapeRows) => Plan) {
    this.#newPlan = newPlan;
  }

  /** Throws E4008 for a table without a primary key. */
  planOf(rows: ShapeRows): Plan {
    const { table, columns } = rows;
    let ofTable = this.#plans.get(table);
    if (!ofTable) {
      ofTable = new Map();
      this.#plans.set(table, ofTable);
    }
    const shape = [
      rows.replace === true,
      rows.passUniqueValues === true,
      rows.passReferredValues === true,
      ...columns.map(({ name }) => name),
    ].join('\0');
    let plan = ofTable.get(shape);
    if (plan === undefined) {
      requireKey(table);
      plan = this.#newPlan(rows);
      ofTable.set(shape, plan);
    }
    return plan;
  }
}
