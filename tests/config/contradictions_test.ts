import { assertEquals } from "@std/assert";
import { badConfig } from "../../src/app/credentials/credentials.ts";
import { ConfigReading } from "../../src/config/reading.ts";
import { createAuthority } from "../../src/tls/authority/authority.ts";
import { TlsFiles } from "../support/tls_files.ts";
import { configWith, type ExtraKeys } from "./support.ts";

const ca = await createAuthority();
const server = await ca.issueServer({ names: ["a.test"] });

/** All that is said of a configuration beside good files, without the numbers of the lines. */
async function said(folder: string, keys: ExtraKeys): Promise<string[]> {
  const reading = new ConfigReading(configWith(keys), { name: "f", folder });
  const { message } = await badConfig(reading, "f");
  return message.split("\n").map((line) => line.replace(/^f(?::\d+)*: /, ""));
}

Deno.test("TLS settings that contradict each other are one problem, at the key", async () => {
  await using files = new TlsFiles();
  files.putOwn("s", server);
  files.put("ca.pem", ca.certPem);
  const { path } = files.folder;
  const versions = 'minVersion: "1.3", maxVersion: "1.2"';
  const lowest = 'tls.minVersion: expected a version that is not above maxVersion, got "1.3"';
  assertEquals(await said(path, { service: `tls: {cert: s.pem, key: s.key, ${versions}}` }), [
    `services[0].${lowest}`,
  ]);
  const admin = `admin: {listen: "127.0.0.1:1", tls: {cert: s.pem, key: s.key, ${versions}}}`;
  assertEquals(await said(path, { top: admin }), [`admin.${lowest}`]);
  assertEquals(await said(path, { upstream: `tls: {ca: ca.pem, ${versions}}` }), [`upstreams.db.${lowest}`]);
  for (const upstream of ["", "ca: ca.pem, ", "cert: s.pem, key: s.key, "]) {
    const keys = { upstream: `tls: {${upstream}verify: false, allow: [{cn: a}]}` };
    assertEquals(await said(path, keys), [
      "upstreams.db.tls.verify: expected true, where allow is set, got false",
    ]);
  }
});

Deno.test("a contradiction between TLS settings hides nothing that is wrong with their files", async () => {
  await using files = new TlsFiles();
  files.putOwn("s", server);
  const { path } = files.folder;
  const versions = 'minVersion: "1.3", maxVersion: "1.2"';
  const keys = {
    service: `tls: {cert: s.pem, key: none.key, ${versions}}`,
    upstream: "tls: {ca: none.pem, verify: false, allow: [{cn: a}]}",
  };
  const told = await said(path, keys);
  assertEquals(told.map((line) => line.split(":")[0]), [
    "upstreams.db.tls.ca",
    "upstreams.db.tls.verify",
    "services[0].tls.key",
    "services[0].tls.minVersion",
  ]);
});
