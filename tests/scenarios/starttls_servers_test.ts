import { assertEquals, assertStringIncludes } from "@std/assert";
import type { StartTlsName } from "../../src/tls/starttls/protocol.ts";
import { type Result, run } from "../support/child.ts";
import { findProgram, testWith } from "../support/installed.ts";
import { HEAD, startCulvert } from "../support/program.ts";
import { type OwnPaths, TlsFiles } from "../support/tls_files.ts";
import { makePki } from "../tls/tls_fixture.ts";
import { type OwnServer, startOwn } from "../upstream/check/own_server.ts";

/** A third-party server that speaks STARTTLS, and a third-party client that uses it. */
interface Pair {
  readonly protocol: StartTlsName;
  readonly programs: readonly string[];
  start(own: OwnPaths): Promise<OwnServer>;
  /** Asks something, with TLS or without; `ca` is the file of the CA. */
  ask(
    port: number,
    options: { ca: string; tls: boolean },
  ): Promise<Result>;
  /** What is in the answer. */
  readonly answer: string;
}

/** aiosmtpd, which takes mail by TLS alone. OpenSMTPD of Debian 12 fails with its own TLS ("EVP lib"). */
function startAiosmtpd({ cert, key }: OwnPaths): Promise<OwnServer> {
  return startOwn({
    program: findProgram("aiosmtpd")!,
    args: ({ port }) =>
      Promise.resolve(["-n", "-l", `127.0.0.1:${port}`, "--tlscert", cert, "--tlskey", key]),
  });
}

/** Dovecot, for the user `alice`. */
function startDovecot(protocol: "imap" | "pop3", own: OwnPaths): Promise<OwnServer> {
  return startOwn({
    program: findProgram("dovecot")!,
    async args({ folder, port }) {
      const file = folder.file("dovecot.conf");
      await Deno.chmod(folder.path, 0o755);
      await Deno.writeTextFile(folder.file("users"), "alice:{PLAIN}secret::::::\n");
      await Deno.mkdir(folder.file("mail"));
      await Deno.chmod(folder.file("mail"), 0o777);
      await Deno.writeTextFile(
        file,
        `protocols = ${protocol}
base_dir = ${folder.file("run")}
log_path = /dev/stderr
listen = 127.0.0.1
ssl = required
ssl_cert = <${own.cert}
ssl_key = <${own.key}
mail_location = maildir:${folder.file("mail")}/%u
passdb {
  driver = passwd-file
  args = ${folder.file("users")}
}
userdb {
  driver = static
  args = uid=nobody gid=nogroup home=${folder.file("mail")}
}
service ${protocol}-login {
  inet_listener ${protocol} {
    port = ${port}
  }
  inet_listener ${protocol}s {
    port = 0
  }
}
`,
      );
      return ["-F", "-c", file];
    },
  });
}

/** OpenLDAP without any data: its root entry is all that there is. */
function startSlapd(own: OwnPaths): Promise<OwnServer> {
  return startOwn({
    program: findProgram("slapd")!,
    async args({ folder, port }) {
      const file = folder.file("slapd.conf");
      await Deno.writeTextFile(
        file,
        `TLSCertificateFile ${own.cert}\nTLSCertificateKeyFile ${own.key}\nsecurity tls=1\n`,
      );
      return ["-h", `ldap://127.0.0.1:${port}`, "-f", file, "-d", "0"];
    },
  });
}

/** curl, with these options and this input. */
function curl(
  url: string,
  { ca, tls }: { ca: string; tls: boolean },
  { more, input }: { more: readonly string[]; input?: string },
): Promise<Result> {
  const secure = tls ? ["--ssl-reqd", "--cacert", ca] : [];
  const args = ["-sS", "--max-time", "20", ...secure, ...more, url];
  return run("curl", args, input === undefined ? {} : { input });
}

const LOGIN = ["-u", "alice:secret", "--login-options", "AUTH=PLAIN"];

const PAIRS: readonly Pair[] = [
  {
    protocol: "smtp",
    programs: ["aiosmtpd", "curl"],
    start: startAiosmtpd,
    ask: (port, options) => {
      const mail = ["--mail-from", "a@client.test", "--mail-rcpt", "b@server.test", "-T", "-"];
      return curl(`smtp://localhost:${port}/client.test`, options, {
        more: mail,
        input: "Subject: x\n\nhi\n",
      });
    },
    answer: "",
  },
  {
    protocol: "imap",
    programs: ["dovecot", "curl"],
    start: (own) => startDovecot("imap", own),
    ask: (port, options) => curl(`imap://localhost:${port}/`, options, { more: LOGIN }),
    answer: "INBOX",
  },
  {
    protocol: "pop3",
    programs: ["dovecot", "curl"],
    start: (own) => startDovecot("pop3", own),
    ask: (port, options) => curl(`pop3://localhost:${port}/`, options, { more: LOGIN }),
    answer: "",
  },
  {
    protocol: "ldap",
    programs: ["slapd", "ldapsearch"],
    start: startSlapd,
    ask: (port, { ca, tls }) => {
      const secure = tls ? ["-ZZ"] : [];
      // It takes "localhost" for the machine's own name.
      const asked = ["-x", "-LLL", "-H", `ldap://127.0.0.1:${port}`, "-b", "", "-s", "base", "+"];
      return run("env", [`LDAPTLS_CACERT=${ca}`, "ldapsearch", ...secure, ...asked]);
    },
    answer: "supportedExtension",
  },
];

async function useServer(pair: Pair, t: Deno.TestContext): Promise<void> {
  const { protocol, answer } = pair;
  const pki = await makePki();
  await using files = new TlsFiles();
  Deno.chmodSync(files.folder.path, 0o755);
  const [ca, own] = [files.put("ca.pem", pki.ca.certPem), files.putOwn("server", pki.server)];
  Deno.chmodSync(own.key, 0o600);
  await using server = await pair.start(own);
  const upstream = (tls: string) => `{${tls}backends: ["127.0.0.1:${server.port}"]}`;
  const asked = `tls: {ca: ${ca}, serverName: server.test, starttls: ${protocol}}, health: {type: tls}, `;
  const ofService = `tls: {cert: ${own.cert}, key: ${own.key}, starttls: ${protocol}}`;
  await using culvert = await startCulvert(`${HEAD}services:
  - {name: both, listen: ["127.0.0.1:0"], ${ofService}, upstream: ${upstream(asked)}}
  - {name: plain, listen: ["127.0.0.1:0"], upstream: ${upstream(asked.replace(", health: {type: tls}", ""))}}
`);
  for (const [service, tls] of [["both", true], ["plain", false]] as const) {
    await t.step(`a client ${tls ? "that asks for TLS" : "in plain"}`, async () => {
      const { code, stdout, stderr } = await pair.ask(culvert.port(service), { ca, tls });
      assertEquals(code, 0, `${stdout}${stderr}${server.child.stderr}${culvert.stderr}`);
      assertStringIncludes(stdout, answer);
    });
  }
}

for (const pair of PAIRS) {
  const name = `${
    pair.programs.join(" and ")
  } speak ${pair.protocol} through a proxy that asks and is asked for TLS`;
  const test = (t: Deno.TestContext) => useServer(pair, t);
  // Dovecot gives its parts users of their own, which only root may do.
  if (Deno.uid() === 0 || pair.programs[0] !== "dovecot") testWith(pair.programs, name, test);
  else {Deno.test({
      name: `${name} (skipped: only root may start it, not allowed here)`,
      ignore: true,
      fn: test,
    });}
}
