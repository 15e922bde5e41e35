/**
 * What comes and goes with every request, in the order in which it came. A Set
 * that is filled and emptied as often is made anew all the time, and takes three
 * times as long.
 */
export class Ring<Item extends RingItem> {
  /** The oldest comes behind it, the newest before it. */
  readonly #ends = new RingItem();

  get first(): Item | null {
    return this.#itemAt(this.#ends.next);
  }

  add(item: Item): void {
    const ends = this.#ends;
    item.next = ends;
    item.previous = ends.previous;
    ends.previous.next = item;
    ends.previous = item;
  }

  /** Once or more often; nothing for one that is in no ring. */
  delete(item: Item): void {
    item.previous.next = item.next;
    item.next.previous = item.previous;
    item.next = item;
    item.previous = item;
  }

  /** Whoever takes an item may delete it. */
  *[Symbol.iterator](): Iterator<Item> {
    let item = this.first;
    while (item !== null) {
      const next = this.#itemAt(item.next);
      yield item;
      item = next;
    }
  }

  #itemAt(link: RingItem): Item | null {
    return link === this.#ends ? null : (link as Item);
  }
}

/** In one ring at a time; linked with itself while it is in none. */
export class RingItem {
  next: RingItem = this;
  previous: RingItem = this;
}
