import { assertEquals } from "@std/assert";
import { AdminAccess } from "../../src/admin/admin_access.ts";
import { readIdentity } from "../../src/tls/x509/identity.ts";
import { readPem } from "../../src/tls/x509/pem.ts";
import { makePki } from "../tls/tls_fixture.ts";

Deno.test("write includes read, and a client that no rule matches may do nothing", async () => {
  const { ca } = await makePki();
  const identity = async (subject: { cn: string; ou?: string }) =>
    readIdentity(readPem((await ca.issueClient(subject)).certPem)[0]!.der);
  const access = new AdminAccess({ read: [{ ou: "monitoring" }], write: [{ cn: "alice" }] });
  assertEquals(access.level(await identity({ cn: "alice" })), "write");
  assertEquals(access.level(await identity({ cn: "alice", ou: "monitoring" })), "write");
  assertEquals(access.level(await identity({ cn: "bob", ou: "monitoring" })), "read");
  assertEquals(access.level(await identity({ cn: "bob" })), "none");
  assertEquals(access.level(undefined), "none");
  const readOnly = new AdminAccess({ read: [{ any: true }], write: [] });
  assertEquals(readOnly.level(await identity({ cn: "alice" })), "read");
  assertEquals(readOnly.level(undefined), "none");
});
