import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { crlContent } from "../../../src/dataplane/crl_content.ts";
import { readCrlFiles } from "../../../src/app/credentials/crl_files.ts";
import { fileVersion, MAX_FOLDER_FILES } from "../../../src/app/watch/file_version.ts";
import { CredentialReader } from "../../../src/app/credentials/credential_reader.ts";
import { createAuthority } from "../../../src/tls/authority/authority.ts";
import { MAX_CRL_BYTES } from "../../../src/tls/x509/crl/read_crls.ts";
import { TlsFiles } from "../../support/tls_files.ts";

const [ca, other] = [await createAuthority(), await createAuthority({ name: "Other" })];

/** What is found in files and folders: the issuers, and what is wrong. */
async function found(...paths: string[]): Promise<{ issuers: string[]; faults: string[] }> {
  const { files, faults } = await readCrlFiles({ paths, key: ["crl"] }, new CredentialReader());
  return {
    issuers: files.flatMap(({ reading }) => reading.crls.map(({ issuerName }) => issuerName)),
    faults: faults.map(({ item, cannot, why }) => `${item} ${cannot}: ${why}`),
  };
}

Deno.test("the same CRL content is read once, whatever services use it and by whatever path", async () => {
  await using files = new TlsFiles();
  const paths = [files.put("a.crl", ca.crl())];
  paths.push(files.put("b.crl", Deno.readTextFileSync(paths[0]!)));
  const all = await Promise.all([...paths, ...paths].map((path) => crlContent(Deno.readFileSync(path))));
  for (const content of all) assertStrictEquals(content, all[0]);
  const changed = await crlContent(Deno.readFileSync(files.put("a.crl", ca.crl())));
  assert(changed !== all[0]);
});

Deno.test("files and folders are read; what is wrong with one of them is told of that one", async () => {
  await using files = new TlsFiles();
  const folder = files.folder.file("crls");
  const empty = files.folder.file("empty");
  Deno.mkdirSync(folder);
  Deno.mkdirSync(empty);
  Deno.mkdirSync(`${folder}/sub`);
  files.put("crls/b.pem", other.crl() + other.crl());
  files.put("crls/a.crl", ca.crl());
  files.put("crls/.hidden", "junk");
  const single = files.put("ca.crl", ca.crl());
  const [CA, OTHER] = ["CN=Culvert CA", "CN=Other"];
  assertEquals(await found(single, folder), { issuers: [CA, CA, OTHER, OTHER], faults: [] });
  files.put("crls/c.crl", "junk");
  assertEquals(await found(folder, files.folder.file("none"), empty), {
    issuers: [CA, OTHER, OTHER],
    faults: [
      '0 use: "c.crl": Cannot read a CRL: not a CRL in DER',
      "1 read: no such file",
      "2 use: there is no file in the folder",
    ],
  });
  for (let i = 0; i <= MAX_FOLDER_FILES; i++) Deno.createSync(`${empty}/${i}`).close();
  assertEquals((await found(empty)).faults, [
    `0 use: there are more than ${MAX_FOLDER_FILES} files in the folder`,
  ]);
});

Deno.test("a file that is too large is not read", async () => {
  await using files = new TlsFiles();
  const path = files.put("large.crl", "");
  await Deno.truncate(path, MAX_CRL_BYTES + 1);
  assertEquals(await found(path), {
    issuers: [],
    faults: ["0 read: it has 65 MiB; at most 64 MiB are read"],
  });
});

Deno.test("a folder changes with each of its files", async () => {
  await using files = new TlsFiles();
  const folder = files.folder.file("crls");
  Deno.mkdirSync(folder);
  const seen = new Set([await fileVersion(folder)]);
  const path = files.put("crls/a.crl", "1");
  seen.add(await fileVersion(folder));
  Deno.writeTextFileSync(path, "12"); // In its place, which the folder itself knows nothing of.
  seen.add(await fileVersion(folder));
  Deno.removeSync(path);
  seen.add(await fileVersion(folder));
  assertEquals([seen.size, seen.has(undefined)], [4, false]);
});
