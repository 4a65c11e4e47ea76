/**
 * Sessions that OpenSSL resumes with our listener: no certificate is shown, and Deno verifies nothing anew
 * (decision 0001).
 */

import { assertEquals, assertMatch } from "@std/assert";
import type { ByteStream } from "../../transport/byte_stream.ts";
import { loadTlsContext } from "../../security/live/context.ts";
import { nodeTls } from "../../transport/tls/node_tls.ts";
import { fingerprint256, parseCertificate } from "../../security/x509/certificate.ts";
import { runToEnd } from "../../testing/processes.ts";
import { TestCa } from "../../testing/pki/pki.ts";
import { Arrivals } from "../../testing/tls_pair.ts";

for (const version of ["tls1_2", "tls1_3"] as const) {
  Deno.test(`A resumed session of ${version} counts for no more than the certificate that it began with`, async () => {
    const [ca, folder] = [await TestCa.make(), await Deno.makeTempDir()];
    const security = await ca.security();
    const { cert, key } = await ca.issue("guest");
    await Deno.writeTextFile(`${folder}/cert.pem`, cert);
    await Deno.writeTextFile(`${folder}/key.pem`, key);
    const context = await loadTlsContext(security, "scheduler");
    const verdicts = new Arrivals<ByteStream | Error>();
    const listener = await nodeTls.listen({
      hostname: "127.0.0.1",
      port: 0,
      context,
      onConnection: (stream) => verdicts.add(stream),
      onRefused: (reason) => verdicts.add(reason),
    });
    /** What becomes of OpenSSL's link, and what it says of it. */
    const come = async (...args: readonly string[]): Promise<readonly [verdict: string, said: string]> => {
      const at = ["-connect", `127.0.0.1:${listener.addr.port}`, `-${version}`, "-ign_eof"];
      const coming = runToEnd({ command: ["openssl", "s_client", ...at, ...args] });
      const verdict = await verdicts.next();
      if (!(verdict instanceof Error)) await verdict.close();
      const { stdout } = await coming;
      return [verdict instanceof Error ? verdict.message : verdict.tls?.peer.name ?? "", stdout];
    };
    const session = `${folder}/session`;
    try {
      const own = ["-cert", `${folder}/cert.pem`, "-key", `${folder}/key.pem`];
      assertEquals((await come(...own, "-sess_out", session))[0], "CN=guest,O=test");
      const [again, said] = await come("-sess_in", session);
      assertMatch(said, /^Reused, /m);
      assertEquals(again, "CN=guest,O=test");
      await context.reload({ ...security, tlsRevoked: [fingerprint256(parseCertificate(cert).raw)] });
      assertMatch((await come("-sess_in", session))[0], /"CN=guest,O=test" is revoked by "tlsRevoked"/);
      const other = await TestCa.make("other-ca");
      await context.reload({ ...await other.security(), tlsCaFile: other.pem });
      assertMatch(
        (await come("-sess_in", session))[0],
        /is signed by "CN=test-ca", which is not in "tlsCaFile"/,
      );
    } finally {
      await listener.close();
      await Deno.remove(folder, { recursive: true });
    }
  });
}
