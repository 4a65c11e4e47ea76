const src = await Deno.readTextFile(new URL("./scheduler_state_property_test.ts", import.meta.url));
let s = src.replace("const SEED = 20260801", `const SEED = ${Deno.args[0]}`).replace(
  "check(500",
  "check(4000",
).replace("check(150", "check(1500").replace("check(150", "check(1500").replace("check(300", "check(2000")
  .replaceAll("Deno.test(", "REG(");
s = s.replace(
  "/** One step of",
  "const stats: Record<string, number> = {}; function REG(n: string, f: () => void) { f(); console.log(n, JSON.stringify(stats)); }\n/** One step of",
);
s = s.replace(
  "  makePeace(cluster);\n",
  "  makePeace(cluster);\n  for (const t of scheduler.story()) { const k = t.start + '>' + t.finish; stats[k] = (stats[k] ?? 0) + 1; }\n for (const c of cluster.clients.values()) for (const v of c.keys.values()) stats[v] = (stats[v] ?? 0) + 1;\n",
);
await Deno.writeTextFile(new URL("./tmp_prop_run.ts", import.meta.url), s);
