import { assertEquals, assertStringIncludes } from "@std/assert";
import { enters } from "../support/enters.ts";
import { echo, startBackend } from "../support/peers.ts";
import { output } from "../support/child.ts";
import { DENO, MAIN, printedFlags, startCulvert } from "../support/program.ts";
import { TemporaryFolder } from "../support/folder.ts";
import { tlsConfig, TlsFiles } from "../support/tls_files.ts";
import { makePki, type Pki } from "../tls/tls_fixture.ts";

const REFUSED = "reload failed, keeping the current configuration";

/** A mutual-TLS listener with its files, in front of this backend. */
function setUp(files: TlsFiles, { ca, server }: Pki, address: string): string {
  const clientAuth = {
    ca: files.put("ca.pem", ca.certPem),
    crl: files.put("ca.crl", ca.crl()),
    allow: [{ any: true }],
  };
  return tlsConfig({ backends: [address], tls: { ...files.putOwn("server", server), clientAuth } });
}

Deno.test("a deleted file is noticed: without its CRL every client is rejected, other files stay in use and are reported", async () => {
  const pki = await makePki();
  await using files = new TlsFiles();
  using backend = startBackend(echo);
  const config = setUp(files, pki, backend.address);
  await using culvert = await startCulvert(config, { readable: [files.folder.path], watching: true });
  assertEquals(culvert.found(({ message }) => String(message).includes("not watched")), []);
  const changed = (name: string) => `${files.folder.file(name)} has changed`;

  await Deno.remove(files.folder.file("ca.crl"));
  await culvert.waitFor({ message: "reloaded", why: changed("ca.crl") });
  assertEquals(await enters(culvert, pki), false);
  files.put("ca.crl", pki.ca.crl());
  await culvert.waitFor({ message: "reloaded", why: changed("ca.crl") }, 2);
  assertEquals(await enters(culvert, pki), true);

  for (const name of ["server.pem", "server.key", "ca.pem"]) {
    const good = await Deno.readTextFile(files.folder.file(name));
    await Deno.remove(files.folder.file(name));
    await culvert.waitFor({ message: REFUSED, why: changed(name) });
    const { problem } = await culvert.waitFor(({ message, problem }) =>
      message === "bad configuration" && String(problem).includes(name)
    );
    assertStringIncludes(String(problem), "no such file");
    assertEquals(await enters(culvert, pki), true);
    files.put(name, good);
    await culvert.waitFor({ message: "reloaded", why: changed(name) });
  }

  await Deno.remove(culvert.file);
  const { error } = await culvert.waitFor({ message: REFUSED, why: "the file has changed" });
  assertStringIncludes(String(error), "there is no such file");
  assertEquals(await enters(culvert, pki), true);
  await culvert.write(config);
  await culvert.waitFor({ message: "reloaded", why: "the file has changed" });
  assertEquals(await enters(culvert, pki), true);
  await culvert.settled();
  culvert.signal("SIGTERM");
  assertEquals(await culvert.exit, 0);
});

Deno.test("files whose changes are not noticed are named once at the start, with what to do", async () => {
  const pki = await makePki();
  await using files = new TlsFiles();
  using backend = startBackend(echo);
  const config = setUp(files, pki, backend.address);
  await using culvert = await startCulvert(config);
  const isSaid = ({ message }: { message?: unknown }) => String(message).includes("not watched");
  const [said, ...more] = culvert.found(isSaid);
  const { path } = files.folder;
  const names = ["server.pem", "server.key", "ca.pem", "ca.crl"].map((name) => `${path}/${name}`);
  assertEquals([said!.level, said!.files], ["INFO", [culvert.file, ...names].join(", ")]);
  const folders = `${culvert.folder.path},${path}`;
  assertEquals(said!.help, `add --allow-read=${folders}, or send SIGHUP after a change`);
  assertEquals(more, []);

  // With that it would be noticed; without it this is what helps.
  pki.ca.revoke(pki.client.serial);
  files.put("ca.crl", pki.ca.crl());
  assertEquals(await enters(culvert, pki), true);
  await culvert.reload(config);
  assertEquals(await enters(culvert, pki), false);
  assertEquals(culvert.found(isSaid).length, 1);
  await culvert.finish();
});

Deno.test("permissions --watch names the folders of all files, and nothing else is wider", async () => {
  await using folder = new TemporaryFolder();
  const [file, socket] = [folder.file("culvert.yaml"), folder.file("run/a.sock")];
  const tls =
    '{cert: "a b/s.pem", key: "a b/s.key", clientAuth: {ca: "ca/ca.pem", crl: ca/ca.crl, allow: [{any: true}]}}';
  await Deno.writeTextFile(
    file,
    `version: 1
upstreams:
  main: {backends: ["unix:${socket}"]}
  more: {discover: {file: lists/backends.yaml, within: [127.0.0.1]}}
services:
  - {name: main, listen: ["127.0.0.1:0"], tls: ${tls}, upstream: main}
  - {name: more, listen: ["127.0.0.1:0"], upstream: more}
`,
  );
  const args = ["run", `--allow-read=${file}`, MAIN, "permissions", "--watch", "--config", file];
  const { path } = folder;
  const exact = (await printedFlags(file)).join(" ");
  const read = [
    file,
    socket,
    ...["a b/s.pem", "a b/s.key", "ca/ca.pem", "ca/ca.crl", "lists/backends.yaml"].map((name) =>
      `${path}/${name}`
    ),
  ].join(",");
  assertStringIncludes(exact, read);
  const folders = [path, socket, `${path}/a b`, `${path}/ca`, `${path}/lists`].join(",");
  assertEquals((await output(DENO, args)).trim(), exact.replace(read, folders));
});
