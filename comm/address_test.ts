import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  addressHost,
  addressHostPort,
  formatAddress,
  formatHostPort,
  isWildcard,
  listenAddress,
  normalizeAddress,
  parseAddress,
  parseHostPort,
  splitAddress,
} from "./address.ts";
import { AddressError } from "./errors.ts";
import { contactHost, resolveAddress, sameHost } from "./host.ts";

interface Vector {
  readonly id: string;
  readonly fn: string;
  readonly args: readonly unknown[];
  readonly kwargs: Readonly<Record<string, unknown>>;
  readonly config?: Readonly<Record<string, string>>;
  readonly ok?: unknown;
  readonly error?: string;
}

const { vectors }: { readonly vectors: readonly Vector[] } = JSON.parse(
  await Deno.readTextFile(new URL("../tests/vectors/addresses.json", import.meta.url)),
);

/** What of the vectors is Python's own, and why. */
function pythonsOwn({ fn, args, kwargs }: Vector): string | undefined {
  const [first] = args;
  if (fn === "coerce_to_address") return "takes Python tuples";
  if (typeof first === "number") return "arguments have types here";
  if (fn === "parse_address" && first === "a://b://c") return undefined;
  if (fn === "address_from_user_args" && kwargs["interface"] !== undefined) {
    return "an interface is given by its address here";
  }
  if (fn === "get_address_host" && String(first).startsWith("inproc://")) {
    return "an inproc address names no process that could be checked";
  }
  return undefined;
}

function tuple(value: unknown): unknown {
  return typeof value === "object" && value !== null && "$tuple" in value ? value.$tuple : value;
}

async function run({ fn, args, kwargs, config }: Vector): Promise<unknown> {
  const text = (args[0] ?? "") as string;
  const defaultScheme = config?.["distributed.comm.default-scheme"] ?? "tcp";
  switch (fn) {
    case "parse_address": {
      const { scheme, location } = splitAddress(text, { strict: kwargs["strict"] === true, defaultScheme });
      return [scheme, location];
    }
    case "normalize_address":
      return normalizeAddress(text, defaultScheme);
    case "parse_host_port": {
      const { host, port } = parseHostPort(text, kwargs["default_port"] as number | undefined);
      return [host, port];
    }
    case "unparse_host_port":
      return formatHostPort(text, (args[1] ?? undefined) as number | undefined);
    case "get_address_host":
      return addressHost(text);
    case "get_address_host_port": {
      const { host, port } = addressHostPort(text);
      return [host, port];
    }
    case "resolve_address":
      return await resolveAddress(normalizeAddress(text));
    case "ensure_concrete_host":
      return contactHost(text, kwargs["default_host"] as string);
    case "uri_from_host_port": {
      const port = args[1] === null ? undefined : Number(args[1]);
      return listenAddress({ host: text, port, defaultPort: args[2] as number });
    }
    case "address_from_user_args":
      return listenAddress(kwargs);
    default:
      throw new Error(`No such function "${fn}"`);
  }
}

/** Where ours says more than Dask's, on purpose. */
const DIFFERENT: Readonly<Record<string, unknown>> = {
  '{"protocol":"tcp"}': "tcp://:0",
  "{}": "tcp://:0",
};

Deno.test("addresses are read and written as Dask does", async () => {
  const skipped: string[] = [];
  for (const vector of vectors) {
    const why = pythonsOwn(vector);
    if (why !== undefined) {
      skipped.push(`${vector.id} (${why})`);
      continue;
    }
    const label = `${vector.id}: ${vector.fn}(${JSON.stringify(vector.args)}, ${
      JSON.stringify(vector.kwargs)
    })`;
    if (vector.error !== undefined) {
      let failure: unknown;
      await run(vector).catch((error) => failure = error);
      assert(failure instanceof AddressError, label);
    } else {
      const different = vector.fn === "address_from_user_args"
        ? DIFFERENT[JSON.stringify(vector.kwargs)]
        : undefined;
      assertEquals(await run(vector), different ?? tuple(vector.ok), label);
    }
  }
  report(
    `addresses.json: ${vectors.length - skipped.length} of ${vectors.length}; Python's own: ${
      skipped.join(", ")
    }`,
  );
  assert(skipped.length <= 10, "too many vectors are skipped");
});

function report(text: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`${text}\n`));
}

Deno.test("parseAddress takes IPv4, IPv6 and names, with and without port", () => {
  assertEquals(parseAddress("tls://10.0.0.7:8786"), { scheme: "tls", host: "10.0.0.7", port: 8786 });
  assertEquals(parseAddress("tls://[::1]:0"), { scheme: "tls", host: "::1", port: 0 });
  assertEquals(parseAddress("tcp://[::1]"), { scheme: "tcp", host: "::1", port: undefined });
  assertEquals(parseAddress("scheduler"), { scheme: "tcp", host: "scheduler", port: undefined });
  assertEquals(parseAddress("scheduler:1", "tls"), { scheme: "tls", host: "scheduler", port: 1 });
  assertEquals(parseAddress("inproc://h/1/2"), { scheme: "inproc", host: "h/1/2", port: undefined });
});

Deno.test("parseAddress refuses schemes of Dask that are not here by name, and unknown ones", () => {
  for (const scheme of ["ws", "wss", "ucx", "ucxx"]) {
    assertThrows(() => parseAddress(`${scheme}://h:1`), AddressError, `(${scheme}://) are not supported`);
  }
  assertThrows(() => parseAddress("TCP://h:1"), AddressError, `unknown address scheme "TCP"`);
  assertThrows(() => parseAddress("constructor://h:1"), AddressError, "unknown address scheme");
});

Deno.test("parseAddress refuses ports that are none", () => {
  assertThrows(() => parseAddress("tcp://h:65536"), AddressError, "not between 0 and 65535");
  assertThrows(() => parseAddress("tcp://h:-1"), AddressError, `port "-1" is not a number`);
  assertThrows(() => parseAddress("tcp://h:0x1"), AddressError, "is not a number");
  assertThrows(() => parseAddress("tcp://::1:80"), AddressError, "needs brackets");
});

Deno.test("formatAddress puts IPv6 hosts into brackets", () => {
  assertEquals(formatAddress("tls", "::1", 1), "tls://[::1]:1" as never);
  assertEquals(formatAddress("tcp", "h"), "tcp://h" as never);
});

Deno.test("listenAddress refuses a host with inproc, a port out of range and foreign protocols", () => {
  assertEquals(listenAddress({ protocol: "inproc" }), "inproc://" as never);
  assertThrows(() => listenAddress({ protocol: "inproc", port: 1 }), AddressError, "made up");
  assertThrows(() => listenAddress({ port: 70000 }), AddressError, "not between");
  assertThrows(() => listenAddress({ protocol: "ucx", port: 1 }), AddressError, "not supported");
});

Deno.test("contactHost makes wildcards concrete and leaves others alone", () => {
  for (const host of ["", "0.0.0.0", "::"]) {
    assert(isWildcard(host));
    assertEquals(contactHost(host, "10.0.0.9"), "10.0.0.9");
    assert(!isWildcard(contactHost(host)));
  }
  assertEquals(contactHost("10.1.1.1", "10.0.0.9"), "10.1.1.1");
});

Deno.test("sameHost sees one machine through loopback addresses", () => {
  assert(sameHost("tcp://127.0.0.1:1", "tls://127.0.0.1:2"));
  assert(sameHost("tcp://127.0.0.1:1", "tcp://[::1]:2"));
  assert(sameHost("tcp://10.0.0.1:1", "tcp://10.0.0.1:2"));
  assert(!sameHost("tcp://127.0.0.1:1", "tcp://192.0.2.1:2"));
});

Deno.test("resolveAddress names the host that it does not find", async () => {
  let failure: unknown;
  await resolveAddress("tcp://no-such-host.invalid:1").catch((error) => failure = error);
  assert(failure instanceof AddressError);
  assert(failure.message.includes(`Cannot resolve host "no-such-host.invalid"`), failure.message);
});
