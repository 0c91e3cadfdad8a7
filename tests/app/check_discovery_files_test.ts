import { assertEquals } from "@std/assert";
import { checkDiscoveryFiles } from "../../src/app/check_discovery_files.ts";
import { parseConfig } from "../../src/config/parse.ts";
import { TemporaryFolder } from "../support/folder.ts";

/** What is said of a configuration with these sources. */
function look(folder: TemporaryFolder, discover: unknown): Promise<string[]> {
  const upstream = { backends: ["10.0.0.1:1"], discover };
  const services = [{ name: "s", listen: ["127.0.0.1:0"], upstream: "db" }];
  const text = JSON.stringify({ version: 1, upstreams: { db: upstream }, services });
  return checkDiscoveryFiles(parseConfig(text, { name: "test.yaml", folder: folder.path }));
}

Deno.test("a list of backends that is not there, or is no good, is a warning that says why", async () => {
  await using folder = new TemporaryFolder();
  const path = folder.file("list.yaml");
  const said = () => look(folder, { file: "list.yaml" });
  assertEquals(await said(), [`upstream db: discover.file: cannot read "${path}": no such file`]);
  await Deno.writeTextFile(path, "- 10.0.0.1\n- {weight: 1}\n");
  assertEquals(await said(), [
    `upstream db: discover.file: cannot use "${path}": ${path}:1: [0]: expected an address: host:port, [ipv6]:port ` +
    `or unix:/path, got "10.0.0.1"; ${path}:2: [1].address: missing; expected an address: host:port, [ipv6]:port ` +
    "or unix:/path",
  ]);
  await Deno.writeTextFile(path, "- 10.0.0.1:1\n");
  assertEquals(await said(), []);
});

Deno.test("an etcd's password that is not there is a warning", async () => {
  await using folder = new TemporaryFolder();
  const etcd = { endpoints: ["http://127.0.0.1:1"], prefix: "/x/", user: "me", passwordFile: "password" };
  const path = folder.file("password");
  assertEquals(await look(folder, { etcd }), [
    `upstream db: discover.etcd.passwordFile: cannot read "${path}": no such file`,
  ]);
  await Deno.writeTextFile(path, "secret\n");
  assertEquals(await look(folder, { etcd }), []);
});

Deno.test({
  name: "files that may not be read are passed over",
  permissions: { read: false },
  async fn() {
    const discover = { filePath: "/nowhere/list.yaml", keepOnEmpty: false };
    const upstream = { name: "db", discover };
    const config = { upstreams: new Map([["db", upstream]]) } as unknown as Parameters<
      typeof checkDiscoveryFiles
    >[0];
    assertEquals(await checkDiscoveryFiles(config), []);
  },
});
