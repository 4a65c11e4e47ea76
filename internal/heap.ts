/**
 * A binary heap that can also lose items from its middle.
 *
 * @module
 */

/**
 * What a {@linkcode Heap} holds: it keeps the position of an item in the item, so one is in one heap at most.
 */
export interface HeapItem {
  /** Position in the heap, -1 outside. Written by the heap only. */
  heapIndex: number;
}

/** Items in an order; the first is found at once, any is added or removed in logarithmic time. */
export class Heap<T extends HeapItem> {
  readonly #items: T[] = [];
  readonly #isBefore: (left: T, right: T) => boolean;

  /** Makes an empty heap; `isBefore` must be a strict order. */
  constructor(isBefore: (left: T, right: T) => boolean) {
    this.#isBefore = isBefore;
  }

  /** Number of items. */
  get size(): number {
    return this.#items.length;
  }

  /** First item, which stays; `undefined` if there is none. */
  peek(): T | undefined {
    return this.#items[0];
  }

  /** Whether `item` is in some heap. */
  has(item: T): boolean {
    return this.#items[item.heapIndex] === item;
  }

  /** Items in no particular order. */
  values(): IterableIterator<T> {
    return this.#items.values();
  }

  /** Adds an item that is in no heap. */
  push(item: T): void {
    this.#items.push(item);
    this.#up(item, this.#items.length - 1);
  }

  /** Takes the first item out; `undefined` if there is none. */
  pop(): T | undefined {
    const first = this.#items[0];
    if (first !== undefined) this.remove(first);
    return first;
  }

  /** Removes an item; says whether it was here. */
  remove(item: T): boolean {
    const items = this.#items;
    const index = item.heapIndex;
    if (items[index] !== item) return false;
    item.heapIndex = -1;
    const last = items.pop();
    if (last === undefined || last === item) return true;
    const parent = items[(index - 1) >> 1];
    if (index > 0 && parent !== undefined && this.#isBefore(last, parent)) this.#up(last, index);
    else this.#down(last, index);
    return true;
  }

  #up(item: T, index: number): void {
    const items = this.#items;
    while (index > 0) {
      const above = (index - 1) >> 1;
      const parent = items[above];
      if (parent === undefined || !this.#isBefore(item, parent)) break;
      items[index] = parent;
      parent.heapIndex = index;
      index = above;
    }
    items[index] = item;
    item.heapIndex = index;
  }

  #down(item: T, index: number): void {
    const items = this.#items;
    const length = items.length;
    for (;;) {
      let below = 2 * index + 1;
      if (below >= length) break;
      let child = items[below];
      const right = items[below + 1];
      if (child !== undefined && right !== undefined && this.#isBefore(right, child)) {
        below++;
        child = right;
      }
      if (child === undefined || !this.#isBefore(child, item)) break;
      items[index] = child;
      child.heapIndex = index;
      index = below;
    }
    items[index] = item;
    item.heapIndex = index;
  }
}
