import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import type { Key } from "../../messages/common.ts";
import { TaskHeap } from "./task_heap.ts";
import { NO_GENERATION, TaskState } from "./task_state.ts";

function task(priority: readonly number[], generation = 0): TaskState {
  return new TaskState(`${priority}-${generation}` as Key, priority, generation);
}

Deno.test("TaskHeap orders as Python orders tuples, then the last task first", () => {
  const wanted = [
    task([-1, 5], 3),
    task([0], -9),
    task([0, 0], -2),
    task([0, 0], -1),
    task([0, 1], 0),
    task([1], NO_GENERATION),
    task([1], -7),
    task([1, 0], NO_GENERATION),
  ];
  const heap = new TaskHeap();
  for (const index of [3, 7, 0, 6, 2, 5, 1, 4]) heap.add(wanted[index] as TaskState);
  assertEquals(heap.sorted(), wanted);
  const popped: TaskState[] = [];
  for (let next = heap.pop(); next !== undefined; next = heap.pop()) popped.push(next);
  assertEquals(popped, wanted);
  assertEquals(heap.size, 0);
  assertEquals(heap.peek(), undefined);
});

Deno.test("TaskHeap is a set: a task is in once, and removed once", () => {
  const heap = new TaskHeap();
  const a = task([1]), b = task([2]);
  for (const each of [a, b, a]) heap.add(each);
  assertEquals(heap.size, 2);
  assert(heap.remove(a));
  assert(!heap.remove(a));
  assert(heap.has(b) && !heap.has(a));
  assertEquals([...heap.tasks()], [b]);
});

Deno.test("TaskHeap keeps a task's place when its priority changes while it is in", () => {
  const heap = new TaskHeap();
  const tasks = [1, 2, 3, 4, 5, 6, 7].map((priority) => task([priority]));
  for (const each of tasks) heap.add(each);
  const [first, second] = tasks as [TaskState, TaskState];
  first.priority = [100];
  heap.remove(second);
  assertEquals(heap.pop(), first);
  assertEquals(heap.peek()?.priority, [3]);
});

Deno.test("TaskHeap gives the same as sorting, whatever is added, popped and removed", () => {
  const action = fc.tuple(fc.constantFrom("add", "add", "pop", "remove"), fc.nat(30));
  fc.assert(
    fc.property(fc.array(action, { maxLength: 200, size: "max" }), (actions) => {
      const tasks = Array.from({ length: 31 }, (_, i) => task([i % 5], -i));
      const heap = new TaskHeap();
      let model: TaskState[] = [];
      for (const [what, index] of actions) {
        const each = tasks[index] as TaskState;
        if (what === "add") {
          heap.add(each);
          if (!model.includes(each)) model.push(each);
          model.sort(TaskHeap.compare);
        } else if (what === "pop") {
          assertEquals(heap.pop(), model.shift());
        } else {
          assertEquals(heap.remove(each), model.includes(each));
          model = model.filter((other) => other !== each);
        }
        assert(heap.peek() === model[0]);
      }
      assertEquals(heap.sorted().map(({ key }) => key), model.map(({ key }) => key));
    }),
    { seed: 1, numRuns: 200 },
  );
});
