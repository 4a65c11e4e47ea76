/**
 * The command that makes the certificates of a cluster.
 *
 * @module
 */

import { messageOf } from "../internal/errors.ts";
import { Authority, type Pair } from "../security/material/authority.ts";
import { parseCertificate } from "../security/x509/certificate.ts";
import { type Flags, helpText, type ParsedFlags, parseFlags, UsageError, wholeNumber } from "./flags.ts";
import { printText, VERSION } from "./run.ts";

const ROLES = ["scheduler", "worker", "client"] as const;
type Role = typeof ROLES[number];

const FLAGS: Flags = {
  name: { type: "string", value: "NAME", help: "Name of the cluster in the certificates [dask]" },
  days: { type: "string", value: "N", help: "Days for which the certificates are valid [365]" },
  shared: { type: "boolean", help: "Create one pair for all roles, cluster.pem and cluster.key" },
  pair: { type: "string", value: "NAME", help: "Create only NAME.pem and NAME.key, signed by the CA in DIR" },
  role: { type: "string", value: "ROLE", help: "Role of --pair: scheduler, worker or client [NAME]" },
  uri: { type: "string", value: "URI", help: "URI in the certificate of --pair, such as a SPIFFE id" },
  dns: { type: "string", value: "NAME", help: "DNS name in the certificate of --pair" },
  force: { type: "boolean", help: "Replace existing files" },
  help: { type: "boolean", help: "Show this help and exit" },
  version: { type: "boolean", help: "Show the version and exit" },
};

const USAGE =
  "deno run --allow-read=DIR --allow-write=DIR jsr:@dask/distributed/security/create [OPTIONS] DIR";
const ABOUT =
  "Makes a CA and a certificate with its key for scheduler, workers and clients in the folder DIR.";

/** Creates the files from a command line; it starts no role. */
export async function createCertificates(args: readonly string[]): Promise<undefined> {
  const flags = parseFlags(args, FLAGS);
  if (flags.on["help"] === true) return void printText(helpText(USAGE, ABOUT, FLAGS));
  if (flags.on["version"] === true) return void printText(`${VERSION}\n`);
  const [folder, more] = flags.positional;
  if (folder === undefined) throw new UsageError("the folder for the certificates is missing");
  if (more !== undefined) throw new UsageError(`"${more}" is not expected: there is one folder`);
  const days = wholeNumber("days", flags.text["days"] ?? "365", 1, 36_500);
  const force = flags.on["force"] === true;
  const wanted = wantedPair(flags);
  checkPermissions(folder);
  if (wanted !== undefined) {
    const authority = await authorityOf(folder, days);
    await writeFiles(folder, await makePair(authority, wanted), force);
    printText(pairSummary(folder, wanted, authority.validTo));
    return;
  }
  const pairs = flags.on["shared"] === true ? SHARED : PER_ROLE;
  const files = await makeFiles(flags.text["name"] ?? "dask", days, new Set(Object.values(pairs)));
  await writeFiles(folder, files, force);
  printText(summary(folder, days, files, pairs));
}

/** The pair of each role. */
type Pairs = Readonly<Record<Role, string>>;

const PER_ROLE: Pairs = { scheduler: "scheduler", worker: "worker", client: "client" };
const SHARED: Pairs = { scheduler: "cluster", worker: "cluster", client: "cluster" };

interface WantedPair {
  readonly name: string;
  readonly role: Role;
  readonly uris: readonly string[];
  readonly dnsNames: readonly string[];
}

function wantedPair({ text, on }: ParsedFlags): WantedPair | undefined {
  const { pair: name, role = name, uri, dns } = text;
  if (name === undefined) {
    for (const flag of ["role", "uri", "dns"]) {
      if (text[flag] !== undefined) throw new UsageError(`--${flag} is for one pair: add --pair NAME`);
    }
    return undefined;
  }
  for (const flag of ["name", "shared"]) {
    if ((text[flag] ?? on[flag]) !== undefined) {
      throw new UsageError(`--${flag} is for a new CA, and --pair is signed by the one that is there`);
    }
  }
  if (!/^[\w.-]+$/.test(name) || name.toLowerCase() === "ca") {
    throw new UsageError(
      `--pair must be a name for files, of letters, digits, ".", "_" and "-", not "${name}"`,
    );
  }
  const known = ROLES.find((one) => one === role);
  if (known === undefined) {
    throw new UsageError(
      `--role must be scheduler, worker or client${
        role === name ? "" : `, not "${role}"`
      }: what is "${name}" for?`,
    );
  }
  const list = (value: string | undefined): string[] => value === undefined ? [] : [value];
  return { name, role: known, uris: list(uri), dnsNames: list(dns) };
}

interface NewFile {
  readonly name: string;
  readonly text: string;
  readonly isSecret: boolean;
}

function filesOf(name: string, { cert, key }: Pair): NewFile[] {
  return [
    { name: `${name}.pem`, text: cert, isSecret: false },
    { name: `${name}.key`, text: key, isSecret: true },
  ];
}

async function makeFiles(name: string, days: number, pairs: ReadonlySet<string>): Promise<NewFile[]> {
  // A unique name, so that a new CA can be told apart from the old one.
  const id = crypto.getRandomValues(new Uint8Array(3)).toHex();
  const authority = await Authority.make([["O", name], ["CN", `${name} CA ${id}`]], days);
  const files = filesOf("ca", { cert: authority.cert, key: await authority.key() });
  for (const pair of pairs) {
    files.push(...filesOf(pair, await authority.issue([["O", name], ["OU", pair], ["CN", pair]])));
  }
  return files;
}

/** Reads the CA of an earlier run. */
async function authorityOf(folder: string, days: number): Promise<Authority> {
  const read = async (name: string): Promise<string> => {
    try {
      return await Deno.readTextFile(`${folder}/${name}`);
    } catch (cause) {
      throw new Error(
        `Cannot read "${folder}/${name}", which signs: make a CA first, without --pair`,
        { cause },
      );
    }
  };
  const [pem, key] = [await read("ca.pem"), await read("ca.key")];
  try {
    return await Authority.load(pem, key, days);
  } catch (cause) {
    throw new Error(`Cannot sign with "${folder}/ca.pem" and "${folder}/ca.key": ${messageOf(cause)}`, {
      cause,
    });
  }
}

async function makePair(
  authority: Authority,
  { name, role, uris, dnsNames }: WantedPair,
): Promise<NewFile[]> {
  const organization = parseCertificate(authority.cert).subject.filter(([type]) => type === "O");
  const subject = [
    ...organization.map(([, value]) => ["O", value] as const),
    ["OU", role] as const,
    ["CN", name] as const,
  ];
  return filesOf(name, await authority.issue(subject, { uris, dnsNames }));
}

function pairSummary(folder: string, { name, role }: WantedPair, validTo: Date): string {
  const at = path(folder);
  return `Made ${name}.pem and ${name}.key in ${folder}, for a ${role}, until ${validTo.toISOString()}.

  --tls-ca-file ${at("ca.pem")} --tls-cert ${at(`${name}.pem`)} --tls-key ${at(`${name}.key`)}
`;
}

function path(folder: string): (name: string) => string {
  return (name) => `${folder.replace(/\/+$/, "")}/${name}`;
}

/** Checks permissions without a prompt. */
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
    if (present.includes(name)) await Deno.remove(path); // an existing file would keep its mode
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

function summary(folder: string, days: number, files: readonly NewFile[], pairs: Pairs): string {
  const at = path(folder);
  const secrets = files.filter(({ isSecret }) => isSecret).map(({ name }) => name).join(", ");
  const yaml = ROLES.map((role) =>
    `      ${role}:\n        cert: ${at(`${pairs[role]}.pem`)}\n        key: ${at(`${pairs[role]}.key`)}`
  );
  const flags = (role: Role) =>
    `--tls-ca-file ${at("ca.pem")} --tls-cert ${at(`${pairs[role]}.pem`)} --tls-key ${
      at(`${pairs[role]}.key`)
    }`;
  const lines = new Set([flags("scheduler"), flags("worker")]);
  return `Made ${files.length} files in ${folder}, for ${days} days.
Secret: ${secrets}. ca.key signs more certificates; keep it off the machines of the cluster.

Flags of the scheduler, and of workers:
${[...lines].map((line) => `  ${line}`).join("\n")}

In a Deno program:
  const security = {
    tlsCaFile: "${at("ca.pem")}",
    tlsClientCert: "${at(`${pairs.client}.pem`)}",
    tlsClientKey: "${at(`${pairs.client}.key`)}",
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
