/** Cipher strings on real links with OpenSSL at the other end, which can be told what to negotiate. */

import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { TlsRefusedError } from "../../security/verdict.ts";
import type { Security } from "../../security/security.ts";
import { TestCa } from "../../testing/pki/pki.ts";
import { TestProcess } from "../../testing/processes.ts";
import { dialAs, TestListener } from "../../testing/tls_pair.ts";

type Range = Pick<Security, "tlsCiphers" | "tlsMinVersion" | "tlsMaxVersion">;

/** What we allow, what OpenSSL is restricted to, and what is negotiated; refused if we don't allow it. */
const CASES:
  readonly (readonly [ours: string, theirs: readonly string[], negotiated: string, links: boolean])[] = [
    [
      "TLS_AES_128_GCM_SHA256:AES256",
      ["-ciphersuites", "TLS_AES_128_GCM_SHA256"],
      "TLS_AES_128_GCM_SHA256",
      true,
    ],
    ["TLS_AES_256_GCM_SHA384", ["-ciphersuites", "TLS_AES_128_GCM_SHA256"], "TLS_AES_128_GCM_SHA256", false],
    ["ECDHE+AESGCM:!AES128", ["-ciphersuites", "TLS_AES_128_GCM_SHA256"], "TLS_AES_128_GCM_SHA256", true],
    ["HIGH:@SECLEVEL=4", ["-ciphersuites", "TLS_AES_128_GCM_SHA256"], "TLS_AES_128_GCM_SHA256", false],
    ["ECDHE+AESGCM:!AES128", ["-tls1_2", "-cipher", "AES128"], "ECDHE-ECDSA-AES128-GCM-SHA256", false],
    ["ECDHE+AESGCM:!AES128", ["-tls1_2", "-cipher", "AES256"], "ECDHE-ECDSA-AES256-GCM-SHA384", true],
    ["HIGH:!aNULL", ["-tls1_2", "-cipher", "CHACHA20"], "ECDHE-ECDSA-CHACHA20-POLY1305", true],
    ["HIGH:!CHACHA20", ["-tls1_2", "-cipher", "CHACHA20"], "ECDHE-ECDSA-CHACHA20-POLY1305", false],
    [
      "AES256:@STRENGTH",
      ["-tls1_2", "-cipher", "AES128:@SECLEVEL=1"],
      "ECDHE-ECDSA-AES128-GCM-SHA256",
      false,
    ],
  ];

const ca = await TestCa.make();
const security = await ca.security();

async function files(
  pair: { readonly cert: string; readonly key: string },
): Promise<[string, readonly string[]]> {
  const folder = await Deno.makeTempDir({ prefix: "dask-ciphers-" });
  const all = { ca: ca.pem, cert: pair.cert, key: pair.key };
  for (const [name, text] of Object.entries(all)) await Deno.writeTextFile(`${folder}/${name}.pem`, text);
  return [folder, [
    "-CAfile",
    `${folder}/ca.pem`,
    "-cert",
    `${folder}/cert.pem`,
    "-key",
    `${folder}/key.pem`,
  ]];
}

for (const [ours, theirs, negotiated, links] of CASES) {
  const what = `${links ? "links" : "refuses"} with "${ours}" where OpenSSL has ${theirs.join(" ")}`;

  Deno.test(`dial ${what}`, async () => {
    const [folder, pair] = await files(await ca.issue("scheduler"));
    try {
      const command = ["openssl", "s_server", "-accept", "127.0.0.1:0", "-www", ...pair, ...theirs] as const;
      await using server = new TestProcess({ command });
      const [, port] = await server.line(/^ACCEPT .*:(\d+)$/m, { stream: "stdout" });
      const dialled = dialAs({ ...security, tlsCiphers: ours } satisfies Range & Security, Number(port));
      if (!links) {
        const error = await assertRejects(() => dialled, TlsRefusedError);
        assertMatch(
          error.message,
          new RegExp(`cipher suite ${negotiated} was negotiated, which "tlsCiphers" does not`),
        );
        assertEquals([error.side, error.final], ["here", true]);
        return;
      }
      const stream = await dialled;
      assertEquals(stream.tls?.cipher, negotiated);
      await stream.close();
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });

  Deno.test(`listen ${what}`, async () => {
    const [folder, pair] = await files(await ca.issue("client"));
    try {
      await using listener = await TestListener.start({ ...security, tlsCiphers: ours });
      const to = ["-connect", `127.0.0.1:${listener.port}`, "-ign_eof"];
      await using _ = new TestProcess({ command: ["openssl", "s_client", ...to, ...pair, ...theirs] });
      if (!links) {
        const { reason } = await listener.refusals.next();
        assertMatch(
          reason.message,
          new RegExp(`cipher suite ${negotiated} was negotiated, which "tlsCiphers" does not`),
        );
        assertEquals(listener.streams.left, []);
        return;
      }
      const stream = await listener.streams.next();
      assertEquals(stream.tls?.cipher, negotiated);
      await stream.close();
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}
