/**
 * Uses V8's inspector of another process: heap after a garbage collection, live objects of a class, CPU
 * profiles, coverage. The process is started with `--inspect`; its code needs no changes.
 *
 * @module
 */

import type { TestProcess } from "../testing/processes.ts";

/** Flag of `deno run` for a process that can be inspected, on any free port. */
export const inspectFlag = "--inspect=127.0.0.1:0";

/** Same, for a process that runs no code until an inspector is attached. */
export const waitFlag = "--inspect-wait=127.0.0.1:0";

/** One function in a profile. */
export interface HotSpot {
  /** Name, file and line. */
  readonly where: string;
  /** Milliseconds in it, without the functions that it called. */
  readonly ms: number;
}

interface ProfileNode {
  readonly id: number;
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
}

interface Profile {
  readonly nodes: readonly ProfileNode[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

interface Answer {
  readonly id?: number;
  readonly result?: unknown;
  readonly error?: { readonly message: string };
}

/** A session with one process. */
export class Inspector implements Disposable {
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  #count = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.onmessage = ({ data }) => this.#take(JSON.parse(String(data)));
    socket.onclose = () => {
      for (const { reject } of this.#waiting.values()) reject(new Error("The inspected process is gone"));
    };
  }

  /** Attaches to a process that was started with {@linkcode inspectFlag}. */
  static async attach(process: TestProcess): Promise<Inspector> {
    const [, url = ""] = await process.line(/Debugger listening on (ws:\S+)/, { stream: "stderr" });
    const socket = new WebSocket(url);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    socket.onopen = () => resolve();
    socket.onerror = () => reject(new Error(`Cannot inspect ${process.name} at ${url}`));
    await promise;
    return new Inspector(socket);
  }

  /** Evaluates an expression in the process, and awaits a promise. The value must be plain data. */
  async evaluate<T>(expression: string): Promise<T> {
    return (await this.#evaluate(expression, true)).value as T;
  }

  /** Returns the bytes in use after a garbage collection: V8's heap and array buffers. */
  async heapBytes(): Promise<number> {
    await this.#call("HeapProfiler.collectGarbage");
    const usage = await this.#call("Runtime.getHeapUsage") as {
      usedSize: number;
      backingStorageSize: number;
    };
    return usage.usedSize + usage.backingStorageSize;
  }

  /** Counts the live objects of a class that the process has loaded from `module`. */
  async countOf(module: URL, className: string): Promise<number> {
    const expression = `import(${JSON.stringify(module.href)}).then((m) => m.${className}.prototype)`;
    const { objectId: prototypeObjectId } = await this.#evaluate(expression, false);
    const { objects } = await this.#call("Runtime.queryObjects", { prototypeObjectId }) as {
      objects: { objectId: string };
    };
    const answer = await this.#call("Runtime.callFunctionOn", {
      objectId: objects.objectId,
      functionDeclaration: "function () { return this.length; }",
      returnByValue: true,
    }) as { result: { value: number } };
    for (const objectId of [objects.objectId, prototypeObjectId]) {
      await this.#call("Runtime.releaseObject", { objectId });
    }
    return answer.result.value;
  }

  /** Begins a CPU profile. */
  async startProfile(): Promise<void> {
    await this.#call("Profiler.enable");
    await this.#call("Profiler.setSamplingInterval", { interval: 200 });
    await this.#call("Profiler.start");
  }

  /** Ends the profile. Returns functions, those with most time of their own first. */
  async stopProfile(): Promise<HotSpot[]> {
    const { profile } = await this.#call("Profiler.stop") as { profile: Profile };
    const byId = new Map(profile.nodes.map((node) => [node.id, describe(node)]));
    const spent = new Map<string, number>();
    profile.samples.forEach((id, i) => {
      const where = byId.get(id) ?? "?";
      spent.set(where, (spent.get(where) ?? 0) + (profile.timeDeltas[i] ?? 0) / 1000);
    });
    return Array.from(spent, ([where, ms]) => ({ where, ms })).sort((a, b) => b.ms - a.ms);
  }

  /** Begins to record coverage in a process that waits for it ({@linkcode waitFlag}). */
  async startCoverage(): Promise<void> {
    await this.#call("Profiler.enable");
    await this.#call("Profiler.startPreciseCoverage", { callCount: true, detailed: true });
    await this.#call("Runtime.runIfWaitingForDebugger");
  }

  /** Writes the coverage to `folder`, for `deno coverage`, as `deno run --coverage` does. */
  async writeCoverage(folder: string): Promise<void> {
    const { result } = await this.#call("Profiler.takePreciseCoverage") as {
      result: readonly { readonly url: string }[];
    };
    for (const script of result) {
      if (!script.url.startsWith("file:")) continue;
      await Deno.writeTextFile(`${folder}/${crypto.randomUUID()}.json`, JSON.stringify(script));
    }
  }

  [Symbol.dispose](): void {
    this.#socket.close();
  }

  async #evaluate(
    expression: string,
    returnByValue: boolean,
  ): Promise<{ value?: unknown; objectId?: string }> {
    const { result, exceptionDetails } = await this.#call("Runtime.evaluate", {
      expression,
      awaitPromise: true,
      returnByValue,
    }) as {
      result: { value?: unknown; objectId?: string; description?: string };
      exceptionDetails?: unknown;
    };
    if (exceptionDetails !== undefined) {
      throw new Error(`Inspected process: ${result.description ?? expression}`);
    }
    return result;
  }

  #call(method: string, params: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    const id = ++this.#count;
    const waiting = Promise.withResolvers<unknown>();
    this.#waiting.set(id, waiting);
    this.#socket.send(JSON.stringify({ id, method, params }));
    return waiting.promise;
  }

  #take({ id, result, error }: Answer): void {
    const waiting = this.#waiting.get(id ?? -1);
    if (id === undefined || waiting === undefined) return; // an event
    this.#waiting.delete(id);
    if (error === undefined) waiting.resolve(result);
    else waiting.reject(new Error(`Inspector: ${error.message}`));
  }
}

function describe({ callFrame }: ProfileNode): string {
  const { functionName, url, lineNumber } = callFrame;
  const file = url.startsWith("file:") ? url.replace(new URL("..", import.meta.url).href, "") : url;
  return `${functionName || "(anonymous)"} ${file}${url === "" ? "" : `:${lineNumber + 1}`}`;
}
