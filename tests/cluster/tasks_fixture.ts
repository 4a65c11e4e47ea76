/** Functions for remote modules. */

let calls = 0;

class Point {
  constructor(readonly x: number) {}
  norm(): number {
    return Math.abs(this.x);
  }
}

const helper = (x: number): number => new Point(x).norm();

/** Uses what its module declares. */
export function norm(x: number): number {
  return helper(x);
}

/** Counts in the module. */
export function count(_call: number): number {
  return ++calls;
}

/** Not sent as source: it uses the module's names. */
export async function later(text: string): Promise<string> {
  await Promise.resolve();
  return `${text} ${norm(-1)}`;
}

/** The default. */
export default function (): string {
  return "default";
}

/** No function. */
export const number = 3;
