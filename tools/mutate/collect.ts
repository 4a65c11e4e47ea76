/**
 * Replaces `Deno.test`: tests are collected, and can run several times, without sanitizers.
 *
 * @module
 */

type Body = (t: Deno.TestContext) => void | Promise<void>;

/** A collected test. */
export interface CollectedTest {
  /** Name. */
  readonly name: string;
  /** Its function. */
  readonly fn: Body;
}

/** The tests that were registered since {@linkcode collectTests}, in order. */
export const collected: CollectedTest[] = [];

/** Uncaught errors since the current test began. */
const uncaught: unknown[] = [];

/** Replaces `Deno.test` by a collector, and imports test files. */
export async function collectTests(files: readonly string[]): Promise<void> {
  Object.defineProperty(Deno, "test", { value: collect });
  for (const kind of ["error", "unhandledrejection"] as const) {
    addEventListener(kind, (event) => {
      event.preventDefault();
      uncaught.push("reason" in event ? event.reason : event.error);
    });
  }
  for (const file of files) await import(file);
}

/** All forms of `Deno.test`'s arguments. */
function collect(...args: readonly unknown[]): void {
  const test: { name?: string; fn?: Body; ignore?: boolean } = {};
  for (const arg of args) {
    if (typeof arg === "string") test.name = arg;
    else if (typeof arg === "function") test.fn = arg as Body;
    else Object.assign(test, arg);
  }
  const { name = test.fn?.name, fn, ignore = false } = test;
  if (name === undefined || fn === undefined) throw new TypeError("Deno.test needs a name and a function");
  if (!ignore) collected.push({ name, fn });
}

/** Runs a test. Returns why it failed, or undefined. */
export async function runTest(test: CollectedTest): Promise<string | undefined> {
  uncaught.length = 0;
  try {
    await runBody(test.name, test.fn);
    await new Promise((resolve) => setTimeout(resolve, 0)); // work that it left running may fail now
  } catch (error) {
    return brief(error);
  }
  return uncaught.length > 0 ? brief(uncaught[0]) : undefined;
}

async function runBody(name: string, fn: Body): Promise<void> {
  let failure: { readonly error: unknown } | undefined;
  const step = async (definition: unknown, body?: Body): Promise<boolean> => {
    const { name, fn } = stepOf(definition, body);
    try {
      await runBody(name, fn);
      return true;
    } catch (error) {
      failure ??= { error };
      return false;
    }
  };
  await fn({ name, origin: "", step } as unknown as Deno.TestContext);
  if (failure !== undefined) throw failure.error;
}

function stepOf(definition: unknown, body: Body | undefined): CollectedTest {
  if (typeof definition === "string" && body !== undefined) return { name: definition, fn: body };
  if (typeof definition === "function") return { name: definition.name, fn: definition as Body };
  return definition as CollectedTest;
}

function brief(error: unknown): string {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return (text.split("\n", 1)[0] ?? "").slice(0, 200);
}
