import { assert, assertEquals, assertRejects } from "@std/assert";
import { runToEnd } from "../testing/processes.ts";
import { copyRevision } from "./revisions.ts";

async function filesOf(folder: URL): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  for await (const { name, isFile } of Deno.readDir(folder)) {
    if (isFile) files[name] = await Deno.readTextFile(new URL(name, folder));
  }
  return files;
}

Deno.test("copyRevision copies a commit, or the working tree, and leaves the checkout alone", async () => {
  const temp = new URL(`file://${await Deno.makeTempDir()}/`);
  const repository = new URL("repository/", temp);
  const git = async (...args: string[]): Promise<string> => {
    const names = ["-c", "user.name=A", "-c", "user.email=a@example.com"];
    const { code, stdout, stderr } = await runToEnd({ command: ["git", ...names, ...args], cwd: repository });
    assert(code === 0, stderr);
    return stdout;
  };
  const write = (name: string, text: string) => Deno.writeTextFile(new URL(name, repository), text);
  try {
    await Deno.mkdir(repository);
    await git("init", "--quiet");
    await write(".gitignore", "*.key\n");
    await write("a.ts", "old");
    await write("a_bench.ts", "bench");
    await git("add", "--all");
    await git("commit", "--quiet", "--message", "first words");
    await write("a.ts", "new");
    await write("b_bench.ts", "not committed");
    await write("secret.key", "ignored");
    await Deno.remove(new URL("a_bench.ts", repository));
    const status = await git("status", "--porcelain");

    const before = await copyRevision(repository, new URL("before/", temp), "HEAD");
    assertEquals(await filesOf(before.root), {
      ".gitignore": "*.key\n",
      "a.ts": "old",
      "a_bench.ts": "bench",
    });
    assertEquals(before.benchmarks, ["a_bench.ts"]);
    assert(/^[0-9a-f]+ \(first words\)$/.test(before.title), before.title);

    const now = await copyRevision(repository, new URL("now/", temp), undefined);
    assertEquals(await filesOf(now.root), {
      ".gitignore": "*.key\n",
      "a.ts": "new",
      "b_bench.ts": "not committed",
    });
    assertEquals(now.benchmarks, ["b_bench.ts"]);
    assertEquals(await git("status", "--porcelain"), status);

    await assertRejects(() => copyRevision(repository, new URL("none/", temp), "nothing"), Error, "nothing");
  } finally {
    await Deno.remove(temp, { recursive: true });
  }
});
