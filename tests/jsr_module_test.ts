/** A module from the Web as a task's, where the package itself came from a registry. */

import { assertEquals } from "@std/assert";
import { runToEnd } from "../testing/processes.ts";
import { checkoutPackages, startRegistry } from "../testing/registry/registry.ts";

const MODULE = `const half = (x) => x / 2;
export function quarter(x) { return half(half(x)); }
`;

Deno.test("remoteModule imports a module from the Web, and a file, on workers that came from a registry", async () => {
  const folder = await Deno.makeTempDir({ prefix: "dask-module-" });
  await using registry = await startRegistry(await checkoutPackages());
  await using site = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    () => new Response(MODULE, { headers: { "content-type": "text/javascript" } }),
  );
  try {
    const host = `127.0.0.1:${site.addr.port}`;
    await Deno.writeTextFile(`${folder}/tasks.js`, MODULE);
    await Deno.writeTextFile(
      `${folder}/main.ts`,
      `import { LocalCluster, remoteModule } from "jsr:@dask/distributed";
type Tasks = { quarter: (x: number) => number };
await using cluster = await LocalCluster.start({ nWorkers: 1 });
await using client = await cluster.connectClient();
const web = remoteModule<Tasks>("http://${host}/tasks.js");
const file = remoteModule<Tasks>(import.meta.resolve("./tasks.js"));
console.log(await client.gather([client.submit(web.quarter, 10), client.submit(file.quarter, 100)]));
`,
    );
    const { code, stdout, stderr } = await runToEnd({
      command: [
        Deno.execPath(),
        "run",
        "--no-prompt",
        "--allow-net",
        "--allow-read",
        `--allow-import=${host},${new URL(registry.url).host}`,
        "main.ts",
      ],
      cwd: folder,
      env: { JSR_URL: registry.url, DENO_DIR: `${folder}/cache`, DENO_NO_UPDATE_CHECK: "1" },
    });
    assertEquals([stdout, code], ["[ 2.5, 25 ]\n", 0], stderr);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
