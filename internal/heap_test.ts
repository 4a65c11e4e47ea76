import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { Heap, type HeapItem } from "./heap.ts";

interface Item extends HeapItem {
  readonly value: number;
}

const byValue = (left: Item, right: Item) => left.value < right.value;
const item = (value: number): Item => ({ value, heapIndex: -1 });

Deno.test("Heap gives items back in order, whatever was pushed and removed in between", () => {
  // A positive number is pushed; a negative one removes the item that is so far from the front of the list.
  const steps = fc.array(fc.integer({ min: -20, max: 100 }), { maxLength: 200 });
  fc.assert(
    fc.property(steps, (numbers) => {
      const heap = new Heap<Item>(byValue);
      const model: Item[] = [];
      for (const number of numbers) {
        if (number >= 0) {
          const added = item(number);
          heap.push(added);
          model.push(added);
        } else if (model.length > 0) {
          const [removed] = model.splice(-number % model.length, 1);
          assert(removed !== undefined && heap.has(removed));
          assert(heap.remove(removed));
          assert(!heap.has(removed) && !heap.remove(removed));
        }
        assertEquals(heap.size, model.length);
        assertEquals(
          heap.peek()?.value,
          model.length > 0 ? Math.min(...model.map((m) => m.value)) : undefined,
        );
      }
      const values: number[] = [];
      for (let next = heap.pop(); next !== undefined; next = heap.pop()) values.push(next.value);
      assertEquals(values, model.map((m) => m.value).toSorted((a, b) => a - b));
    }),
    { seed: 42, numRuns: 300 },
  );
});

Deno.test("Heap.values has every item once", () => {
  const heap = new Heap<Item>(byValue);
  for (const value of [3, 1, 2]) heap.push(item(value));
  assertEquals([...heap.values()].map((entry) => entry.value).sort(), [1, 2, 3]);
});
