import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { output, run } from "../support/child.ts";
import { TemporaryFolder } from "../support/folder.ts";
import { testWith } from "../support/installed.ts";
import { HEAD, startCulvert } from "../support/program.ts";
import { startNginx } from "../support/servers.ts";

const TOOLS = ["nginx", "curl", "openssl"];
const CLOSED = { message: "connection closed", service: "by-name" };
const REFUSED = { message: "connection refused", service: "by-name", reason: "refused-by-name" };

/** Two TLS servers, each with a certificate and a word of its own, with their names' certificates as `ca`. */
async function startBackends() {
  const stop = new AsyncDisposableStack();
  const keys = stop.use(new TemporaryFolder());
  const start = async (word: string, name: string) => {
    await makeCertificate(keys, word, name);
    return stop.use(
      await startNginx(`server {
    listen 127.0.0.1:PORT ssl;
    ssl_certificate ${keys.file(`${word}.pem`)};
    ssl_certificate_key ${keys.file(`${word}.key`)};
    ssl_protocols TLSv1.2 TLSv1.3;
    location / { return 200 "${word} $ssl_protocol $ssl_server_name\\n"; }
  }`),
    );
  };
  const app = await start("app", "DNS:app.example.org,DNS:unknown.example.net");
  const rest = await start("rest", "DNS:*.example.org");
  const ca = keys.file("ca.pem");
  const pems = ["app", "rest"].map((word) => Deno.readTextFileSync(keys.file(`${word}.pem`)));
  await Deno.writeTextFile(ca, pems.join(""));
  return { app, rest, ca, [Symbol.asyncDispose]: () => stop.disposeAsync() };
}

async function makeCertificate(folder: TemporaryFolder, word: string, names: string): Promise<void> {
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const files = ["-keyout", folder.file(`${word}.key`), "-out", folder.file(`${word}.pem`)];
  const subject = ["-subj", `/CN=${word}`, "-addext", `subjectAltName=${names}`];
  await output("openssl", ["req", "-x509", "-days", "2", ...key, ...files, ...subject]);
}

function sniConfig(options: { app: string; rest: string; fallback?: string; service?: string }): string {
  const { app, rest, fallback = "", service = "" } = options;
  return `${HEAD}upstreams:
  app: {backends: [{address: "${app}"}]}
  rest: {backends: [{address: "${rest}"}]}
services:
  - name: by-name
    listen: ["127.0.0.1:0"]
    sni: {app.example.org: app, "*.example.org": rest}
    ${fallback}
    ${service}
`;
}

testWith(TOOLS, "curl and openssl reach the backend of the name that they ask for, undecrypted", async () => {
  await using backends = await startBackends();
  const [app, rest] = [backends.app.address, backends.rest.address];
  await using culvert = await startCulvert(sniConfig({ app, rest }));
  const port = culvert.port("by-name");

  const wanted = [["app.example.org", "app", app], ["web.example.org", "rest", rest]] as const;
  for (const version of ["1.2", "1.3"]) {
    for (const [name, word, backend] of wanted) {
      const url = `https://${name}/`;
      const versions = [`--tlsv${version}`, "--tls-max", version];
      const to = ["--connect-to", `${name}:443:127.0.0.1:${port}`, "--cacert", backends.ca];
      const answer = await output("curl", ["-sS", "--fail", ...versions, ...to, url]);
      assertEquals(answer, `${word} TLSv${version} ${name}\n`);
      await culvert.waitFor({ ...CLOSED, name, backend }, version === "1.2" ? 1 : 3);

      const flag = `-tls${version.replace(".", "_")}`;
      const args = ["s_client", "-connect", `127.0.0.1:${port}`, "-servername", name, flag, "-brief"];
      const { stderr } = await run("openssl", [...args, "-CAfile", backends.ca, "-verify_return_error"], {
        input: "",
      });
      assertMatch(
        stderr,
        new RegExp(`Protocol version: TLSv${version}[^]*CN = ${word}\n[^]*Verification: OK`),
      );
      await culvert.waitFor({ ...CLOSED, name, backend }, version === "1.2" ? 2 : 4);
    }
  }
  await culvert.finish();
});

testWith(
  TOOLS,
  "an unknown or missing name, and what is no TLS, is refused, and the log says why",
  async () => {
    await using backends = await startBackends();
    await using culvert = await startCulvert(
      sniConfig({ app: backends.app.address, rest: backends.rest.address }),
    );
    const at = `127.0.0.1:${culvert.port("by-name")}`;
    const reasons: readonly (readonly [args: string[], error: string])[] = [
      [["s_client", "-connect", at, "-servername", "unknown.example.net"], 'asks for "unknown.example.net"'],
      [["s_client", "-connect", at, "-noservername"], "asks for no name"],
    ];
    for (const [i, [args, error]] of reasons.entries()) {
      assertEquals((await run("openssl", args, { input: "" })).code === 0, false);
      assertStringIncludes(String((await culvert.waitFor(REFUSED, i + 1)).error), error);
    }
    assertEquals((await run("curl", ["-sS", `http://${at}/`])).code === 0, false);
    assertStringIncludes(String((await culvert.waitFor(REFUSED, 3)).error), "Cannot read the ClientHello");
    assertEquals(culvert.found(({ backend }) => backend !== undefined), []);
    await culvert.finish();
  },
);

testWith(
  TOOLS,
  "an unknown name goes to upstream where there is one, also behind a PROXY header",
  async () => {
    await using backends = await startBackends();
    const [app, rest] = [backends.app.address, backends.rest.address];
    const service = 'proxyProtocol: true\n    trusted: ["127.0.0.1"]';
    await using culvert = await startCulvert(sniConfig({ app, rest, fallback: "upstream: app", service }));
    const port = culvert.port("by-name");
    for (const [name, word] of [["unknown.example.net", "app"], ["web.example.org", "rest"]] as const) {
      const to = ["--connect-to", `${name}:443:127.0.0.1:${port}`, "--cacert", backends.ca];
      const answer = await output("curl", ["-sS", "--fail", "--haproxy-protocol", ...to, `https://${name}/`]);
      assertMatch(answer, new RegExp(`^${word} TLSv1.3 ${name}\n$`));
      await culvert.waitFor({ ...CLOSED, name });
    }
    await culvert.finish();
  },
);
