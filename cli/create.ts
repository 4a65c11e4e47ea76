/**
 * The command that makes the certificates of a cluster.
 *
 * @module
 */

import { Authority, type Pair } from "../security/authority.ts";
import { type Flags, helpText, parseFlags, UsageError, wholeNumber } from "./flags.ts";
import { printText, VERSION } from "./run.ts";

const FLAGS: Flags = {
  name: { type: "string", value: "NAME", help: "Name of the cluster in the certificates [dask]" },
  days: { type: "string", value: "N", help: "How long they hold [365]" },
  force: { type: "boolean", help: "Replace files that are there" },
  help: { type: "boolean", help: "Show this and exit" },
  version: { type: "boolean", help: "Show the version and exit" },
};

const USAGE =
  "deno run --allow-read=DIR --allow-write=DIR jsr:@dask/distributed/security/create [OPTIONS] DIR";
const ABOUT =
  "Makes a CA and a certificate with its key for scheduler, workers and clients in the folder DIR.";

const ROLES = ["scheduler", "worker", "client"] as const;

/** Makes the files from a command line; there is never a role to wait for. */
export async function createCertificates(args: readonly string[]): Promise<undefined> {
  const flags = parseFlags(args, FLAGS);
  if (flags.on["help"] === true) return void printText(helpText(USAGE, ABOUT, FLAGS));
  if (flags.on["version"] === true) return void printText(`${VERSION}\n`);
  const [folder, more] = flags.positional;
  if (folder === undefined) throw new UsageError("the folder for the certificates is missing");
  if (more !== undefined) throw new UsageError(`"${more}" is not expected: there is one folder`);
  const days = wholeNumber("days", flags.text["days"] ?? "365", 1, 36_500);
  const name = flags.text["name"] ?? "dask";
  checkPermissions(folder);
  const files = await makeFiles(name, days);
  await writeFiles(folder, files, flags.on["force"] === true);
  printText(summary(folder, days, files));
}

interface NewFile {
  readonly name: string;
  readonly text: string;
  readonly isSecret: boolean;
}

async function makeFiles(name: string, days: number): Promise<NewFile[]> {
  const authority = await Authority.make([["O", name], ["CN", `${name} CA`]], days);
  const files: NewFile[] = [
    { name: "ca.pem", text: authority.cert, isSecret: false },
    { name: "ca.key", text: await authority.key(), isSecret: true },
  ];
  for (const role of ROLES) {
    const { cert, key }: Pair = await authority.issue([["O", name], ["OU", role], ["CN", role]]);
    files.push({ name: `${role}.pem`, text: cert, isSecret: false });
    files.push({ name: `${role}.key`, text: key, isSecret: true });
  }
  return files;
}

/** Writing is more than roles ever need, so it is never prompted for. */
function checkPermissions(folder: string): void {
  for (const name of ["read", "write"] as const) {
    if (Deno.permissions.querySync({ name, path: folder }).state === "granted") continue;
    throw new Error(`Cannot make certificates in "${folder}": add --allow-${name}=${folder}`);
  }
}

async function writeFiles(folder: string, files: readonly NewFile[], force: boolean): Promise<void> {
  await Deno.mkdir(folder, { recursive: true });
  const present: string[] = [];
  for (const { name } of files) if (await exists(`${folder}/${name}`)) present.push(name);
  if (present.length > 0 && !force) {
    throw new Error(
      `Cannot make certificates in "${folder}": ${present.join(", ")} would be replaced; ` +
        `choose another folder, or add --force`,
    );
  }
  for (const { name, text, isSecret } of files) {
    const path = `${folder}/${name}`;
    if (present.includes(name)) await Deno.remove(path); // a file that is replaced would keep its mode
    await Deno.writeTextFile(path, text, { createNew: true, mode: isSecret ? 0o600 : 0o644 });
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function summary(folder: string, days: number, files: readonly NewFile[]): string {
  const at = (name: string) => `${folder.replace(/\/+$/, "")}/${name}`;
  const secrets = files.filter(({ isSecret }) => isSecret).map(({ name }) => name).join(", ");
  const yaml = ROLES.map((role) =>
    `      ${role}:\n        cert: ${at(`${role}.pem`)}\n        key: ${at(`${role}.key`)}`
  );
  const flags = (role: string) =>
    `--tls-ca-file ${at("ca.pem")} --tls-cert ${at(`${role}.pem`)} --tls-key ${at(`${role}.key`)}`;
  return `Made ${files.length} files in ${folder}, for ${days} days.
Secret: ${secrets}. ca.key signs more certificates; keep it off the machines of the cluster.

Flags of the scheduler, and of workers:
  ${flags("scheduler")}
  ${flags("worker")}

In a Deno program:
  const security = {
    tlsCaFile: "${at("ca.pem")}",
    tlsClientCert: "${at("client.pem")}",
    tlsClientKey: "${at("client.key")}",
  };

Dask's configuration, for Python and for Deno:
distributed:
  comm:
    require-encryption: true
    tls:
      ca-file: ${at("ca.pem")}
${yaml.join("\n")}
`;
}
