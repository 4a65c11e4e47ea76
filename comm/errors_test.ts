import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import type { Address } from "../messages/common.ts";
import { AddressError, CommAuthError, CommClosed, CommTimeoutError } from "./errors.ts";
import { RpcError } from "../rpc/errors.ts";
import { DistributedError, TimeoutError } from "../internal/errors.ts";

const address = "tls://10.0.0.7:8786" as Address;

Deno.test("errors have a stable code, their own name, the address and the cause", () => {
  const cause = new Error("why");
  const cases: [DistributedError & { readonly address?: string }, string, string][] = [
    [new AddressError(address, "m", { cause }), "BAD_ADDRESS", "AddressError"],
    [new CommClosed(address, "m", { cause }), "COMM_CLOSED", "CommClosed"],
    [new CommAuthError(address, "m", { cause }), "COMM_AUTH", "CommAuthError"],
    [new CommTimeoutError(address, "m", { cause }), "TIMEOUT", "CommTimeoutError"],
    [new RpcError(address, "gather", { name: "KeyError", message: "x" }, { cause }), "RPC_ERROR", "RpcError"],
  ];
  for (const [error, code, name] of cases) {
    assertInstanceOf(error, DistributedError);
    assertEquals([error.code, error.name, error.address, error.cause], [code, name, address, cause]);
    assert(!Object.keys(error).includes("name"));
  }
});

Deno.test("CommTimeoutError is a TimeoutError, so one catch does for all waits", () => {
  assertInstanceOf(new CommTimeoutError(address, "m"), TimeoutError);
});

Deno.test("RpcError tells operation, peer and what failed there", () => {
  const error = new RpcError(address, "gather", { name: "KeyError", message: "no x" });
  assertEquals(error.message, `"gather" failed at "tls://10.0.0.7:8786": KeyError: no x`);
});
