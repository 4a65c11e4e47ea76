/** What `client.ts check` says of every kind of certificate, at either end of a link. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { checkLink } from "../../cli/check.ts";
import { formatAddress } from "../../comm/address.ts";
import { Scheduler } from "../../mod.ts";
import { loadTlsContext } from "../../security/live/context.ts";
import type { Security } from "../../security/security.ts";
import { forgedKey } from "../../testing/pki/pki.ts";
import { holdingOf } from "../../testing/matrix/cases.ts";
import { KINDS } from "../../testing/matrix/expected.ts";
import type { End, Kind } from "../../testing/matrix/kind.ts";
import { writeFiles } from "../../testing/matrix/files.ts";
import { Parties } from "../../testing/matrix/parties.ts";
import { MatrixPki } from "../../testing/matrix/pki.ts";

/**
 * What is said where the peer holds it, and where the own side does. Absent: that side can't start with it.
 */
const SAID: Readonly<Record<string, Readonly<Partial<Record<End, RegExp>>>>> = {
  "no certificate": {},
  "other CA": {
    listener:
      /^This client refuses "tls:.*": its certificate "O=matrix,CN=by-other.*" is signed by "O=matrix,CN=other-ca.*", which is not in/,
    dialler:
      /Look at the own side first: certificate "O=matrix,CN=by-other.*" is signed by "O=matrix,CN=other-ca.*", which is not in/,
  },
  "chain, incomplete": {
    listener:
      /refuses .*: its certificate "O=matrix,CN=by-middle.*" is signed by "O=matrix,CN=middle.*", which is not in "tlsCaFile" and was not sent along/,
    dialler:
      /Look at the own .* is signed by "O=matrix,CN=middle.*", which is not in "tlsCaFile" and was not sent along/,
  },
  "self-signed": {
    listener:
      /refuses .*: its certificate "O=matrix,CN=self-signed.*" is self-signed, and not in "tlsCaFile"/,
    dialler: /Look at the own .* "O=matrix,CN=self-signed.*" is self-signed, and not in "tlsCaFile"/,
  },
  "expired": {
    listener: /refuses .*: its certificate "O=matrix,CN=expired.*" has expired on \d{4}-.*, and now is/,
  },
  "not yet valid": {
    listener:
      /refuses .*: its certificate "O=matrix,CN=not-yet.*" is not valid before .*: compare the clocks/,
  },
  "wrong key usage": {
    listener:
      /refuses .*: its certificate "O=matrix,CN=client-only.*" may not be used as a server's: its extended key usage is a client's only/,
    dialler:
      /Look at the own .* "O=matrix,CN=server-only.*" may not be used as a client's: its extended key usage is a server's only/,
  },
  "v1 leaf": {
    listener:
      /refuses .*: its certificate "O=matrix,CN=v1-leaf.*" is X\.509 v1, which is refused: make a v3 one/,
  },
  "v1 intermediate": {
    listener:
      /refuses .*: .* is signed by "O=matrix,CN=v1-middle.*", which is X\.509 v1, which does not say that it may sign/,
  },
  "path length": {
    listener:
      /refuses .*: .* has "O=matrix,CN=sub.*" above it, which is signed by "O=matrix,CN=short-middle.*", which may have no CA below it/,
    dialler:
      /Look at the own .* signed by "O=matrix,CN=short-middle.*", which may have no CA below it \(path length\)/,
  },
  "CA:FALSE issuer": {
    listener: /refuses .*: .* is signed by "O=matrix,CN=no-ca.*", which is no CA \(CA:FALSE\)/,
    dialler: /Look at the own .* is signed by "O=matrix,CN=no-ca.*", which is no CA \(CA:FALSE\)/,
  },
  "forged key": {
    listener:
      /refused: (?:its certificate can't be verified|a signature of its certificate or handshake is wrong)/,
  },
  "forged key, v1": {
    listener: /refuses .*: its certificate "O=matrix,CN=v1-leaf.*" is X\.509 v1, which is refused/,
  },
  "other CA of the same name": {
    listener:
      /refuses .*: its certificate "O=matrix,CN=by-namesake" says that "O=matrix,CN=root" signed it, but not the one in "tlsCaFile"/,
    dialler:
      /Look at the own .* "O=matrix,CN=by-namesake" says that "O=matrix,CN=root" signed it, but not the one in "tlsCaFile"/,
  },
  "expired CA in the chain": {
    listener: /refuses .*: .* is signed by "O=matrix,CN=old-middle", which has expired on/,
    dialler: /Look at the own .* is signed by "O=matrix,CN=old-middle", which has expired on/,
  },
  "revoked by list": {
    listener: /refused: its certificate "O=matrix,CN=revoked" is revoked by its CA \(serial/,
    dialler: /ended the link 3 times between TLS and its first message .* revoked, .*; its log tells/,
  },
  "revoked by fingerprint": {
    listener: /refused: its certificate "O=matrix,CN=revoked" is revoked by "tlsRevoked" \(serial/,
    dialler: /ended the link 3 times between TLS and its first message .* revoked, .*; its log tells/,
  },
  "revoked CA in the chain": {
    listener: /refused: .* \(of the CA "O=matrix,CN=middle" above it\) is revoked by its CA \(serial/,
    dialler: /ended the link 3 times between TLS and its first message .* revoked, .*; its log tells/,
  },
};

const REFUSED: readonly Kind[] = KINDS.filter(({ refused }) => refused !== undefined);

async function withPki(use: (pki: MatrixPki) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "dask-check-" });
  try {
    const pki = await MatrixPki.make(folder, "ec");
    await writeFiles(pki, "ec");
    for (const name of ["good", "v1-leaf"]) {
      await Deno.writeTextFile(
        pki.key(`forged-${name}`),
        await forgedKey(await Deno.readTextFile(pki.file(name))),
      );
    }
    await use(pki);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function paths(pki: MatrixPki, kind: Kind, end: End): { ca: string; cert?: string; key?: string } {
  const { cert, key, ca = "root" } = holdingOf(kind, end);
  return {
    ca: pki.file(ca),
    ...cert !== undefined && { cert: pki.file(cert) },
    ...key !== undefined && { key: pki.key(key === "forged" ? `forged-${cert}` : key) },
  };
}

/** What the end has that is to refuse it. */
function judging(pki: MatrixPki, { judge }: Kind, role: "Client" | "Scheduler"): Security {
  return {
    tlsCaFile: pki.file("root"),
    [`tls${role}Cert`]: pki.file("good"),
    [`tls${role}Key`]: pki.key("leaf"),
    ...judge?.crl !== undefined && { tlsCrlFile: pki.list(judge.crl) },
    ...judge?.revoked !== undefined &&
      { tlsRevoked: [Deno.readTextFileSync(pki.fingerprint(judge.revoked)).trim()] },
  };
}

Deno.test("There are words for every kind of certificate that is refused", () => {
  for (const { name } of REFUSED) assert(Object.hasOwn(SAID, name), name);
});

Deno.test("check says what is wrong with the certificate of whom it dials", async (t) => {
  await withPki(async (pki) => {
    await using parties = new Parties(undefined);
    for (const [id, kind] of REFUSED.entries()) {
      const said = SAID[kind.name]?.listener;
      if (said === undefined) continue;
      await t.step(kind.name, async () => {
        const held = paths(pki, kind, "listener");
        const context = await loadTlsContext(judging(pki, kind, "Client"), "client");
        const listening = await parties.listen("openssl", {
          id,
          role: "scheduler",
          whom: "client",
          version: "1.3",
          value: "",
          inMemory: false,
          ...held,
        });
        try {
          const address = formatAddress("tls", "127.0.0.1", listening.port ?? 0);
          const { failure, lines } = await checkLink({ address, links: { context }, timeoutMs: 10_000 });
          assertMatch(failure ?? "", said);
          assert(lines.some(([what]) => what === "peer's certificate"));
        } finally {
          await listening.close();
        }
      });
    }
  });
});

Deno.test("check says what is wrong with the own certificate", async (t) => {
  await withPki(async (pki) => {
    for (const kind of REFUSED) {
      const { ca, cert, key } = paths(pki, kind, "dialler");
      if (cert === undefined || key === undefined || kind.name.startsWith("forged")) continue;
      await t.step(kind.name, async () => {
        const loading = loadTlsContext({ tlsCaFile: ca, tlsClientCert: cert, tlsClientKey: key }, "client");
        const said = SAID[kind.name]?.dialler;
        if (kind.start !== undefined) {
          // It ends before there is a link to check.
          assertEquals(said, undefined);
          assertMatch(await loading.then(() => "", (error) => String(error.message)), kind.start);
          return;
        }
        const context = await loading;
        await using scheduler = await Scheduler.start({
          host: "127.0.0.1",
          port: 0,
          security: judging(pki, kind, "Scheduler"),
        });
        const { failure } = await checkLink({
          address: scheduler.address,
          links: { context },
          timeoutMs: 10_000,
        });
        assertMatch(failure ?? "", said ?? /never/);
      });
    }
  });
});
