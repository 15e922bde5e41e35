/**
 * Counters, gauges and histograms for a registry of prom-client. Its own check
 * the labels and make a text of them for every value, 1 µs and more: here the
 * compiler checks them, and their values are the way to what is kept.
 */
import type { Metric, Registry } from 'prom-client';
import type { MetricEntry } from './metric-entry.ts';

export type Labels<Name extends string> = Readonly<Record<Name, string>>;

/** As the registry asks for it. */
interface Collected {
  readonly name: string;
  readonly help: string;
  readonly type: MetricEntry['type'];
  readonly values: readonly CollectedValue[];
}

interface CollectedValue {
  readonly labels: Readonly<Record<string, string | number>>;
  /** Labels of several values, of which a text is made once. */
  readonly sharedLabels?: Readonly<Record<string, string>>;
  readonly value: number;
  /** Where it is not the metric's own. */
  readonly metricName?: string;
}

/** Branches by the value of one label, and so on; at the end of a branch what is kept. */
class Branch<Kept> {
  kept: Kept | null = null;
  #branches: Map<string, Branch<Kept>> | null = null;

  at(labelValue: string): Branch<Kept> {
    this.#branches ??= new Map();
    let branch = this.#branches.get(labelValue);
    if (branch === undefined) {
      branch = new Branch();
      this.#branches.set(labelValue, branch);
    }
    return branch;
  }
}

/** Prints what the instrument of the same name in prom-client prints. */
abstract class Instrument<Name extends string, Kept> {
  readonly name: string;
  readonly #entry: MetricEntry;
  readonly #labelNames: readonly Name[];
  #root = new Branch<Kept>();
  /** In the order in which the labels first came. */
  #all: [labels: Labels<Name>, kept: Kept][] = [];

  constructor(name: string, entry: MetricEntry, registry: Registry) {
    this.name = name;
    this.#entry = entry;
    this.#labelNames = entry.labels as readonly Name[];
    registry.registerMetric(this as unknown as Metric);
  }

  async get(): Promise<Collected> {
    const { help, type } = this.#entry;
    if (this.#labelNames.length === 0) {
      this.keptOf(none);
    }
    const values = this.#all.flatMap(([labels, kept]) =>
      this.collect(labels, kept),
    );
    return { name: this.name, help, type, values };
  }

  /** Forgets all that was told. */
  reset(): void {
    this.#root = new Branch();
    this.#all = [];
  }

  protected keptOf(labels: Labels<Name>): Kept {
    let branch = this.#root;
    for (const name of this.#labelNames) {
      branch = branch.at(labels[name]);
    }
    if (branch.kept === null) {
      branch.kept = this.begin();
      this.#all.push([labels, branch.kept]);
    }
    return branch.kept;
  }

  protected abstract begin(): Kept;

  protected abstract collect(
    labels: Labels<Name>,
    kept: Kept,
  ): CollectedValue[];
}

/** The labels of a metric that has none. */
const none = {} as Labels<string>;

interface Amount {
  value: number;
}

abstract class SingleValue<Name extends string> extends Instrument<
  Name,
  Amount
> {
  protected begin(): Amount {
    return { value: 0 };
  }

  protected collect(labels: Labels<Name>, { value }: Amount): CollectedValue[] {
    return [{ labels, value }];
  }
}

export class Counter<Name extends string> extends SingleValue<Name> {
  inc(by?: number): void;
  inc(labels: Labels<Name>, by?: number): void;
  inc(first: Labels<Name> | number = 1, by = 1): void {
    if (typeof first === 'number') {
      this.keptOf(none).value += first;
    } else {
      this.keptOf(first).value += by;
    }
  }

  /** For what is counted elsewhere, and is so many by now. */
  reach(labels: Labels<Name>, total: number): void {
    this.keptOf(labels).value = total;
  }
}

export class Gauge<Name extends string> extends SingleValue<Name> {
  set(value: number): void;
  set(labels: Labels<Name>, value: number): void;
  set(first: Labels<Name> | number, value = 0): void {
    if (typeof first === 'number') {
      this.keptOf(none).value = first;
    } else {
      this.keptOf(first).value = value;
    }
  }
}

interface Distribution {
  sum: number;
  /** By bucket; the last one is of what is above all bounds. */
  readonly counts: number[];
}

export class Histogram<Name extends string> extends Instrument<
  Name,
  Distribution
> {
  readonly #bounds: readonly number[];

  constructor(name: string, entry: MetricEntry, registry: Registry) {
    super(name, entry, registry);
    this.#bounds = entry.buckets ?? [];
  }

  observe(value: number): void;
  observe(labels: Labels<Name>, value: number): void;
  observe(first: Labels<Name> | number, value = 0): void {
    if (typeof first === 'number') {
      this.#count(this.keptOf(none), first);
    } else {
      this.#count(this.keptOf(first), value);
    }
  }

  #count(kept: Distribution, value: number): void {
    const bounds = this.#bounds;
    let bucket = 0;
    while (bucket < bounds.length && value > bounds[bucket]!) {
      bucket += 1;
    }
    kept.counts[bucket]! += 1;
    kept.sum += value;
  }

  protected begin(): Distribution {
    return { sum: 0, counts: [...this.#bounds, Infinity].fill(0) };
  }

  protected collect(
    labels: Labels<Name>,
    { sum, counts }: Distribution,
  ): CollectedValue[] {
    let count = 0;
    const buckets = [...this.#bounds, '+Inf'].map((le, at) => {
      count += counts[at]!;
      return {
        metricName: `${this.name}_bucket`,
        labels: { le },
        sharedLabels: labels,
        value: count,
      };
    });
    return [
      ...buckets,
      { metricName: `${this.name}_sum`, labels, value: sum },
      { metricName: `${this.name}_count`, labels, value: count },
    ];
  }
}
