import { assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { CulvertError } from "../../../src/core/errors.ts";
import type { Address } from "../../../src/net/address.ts";
import { connectAndReset } from "../../../src/net/connect_and_reset.ts";
import { TcpCheck } from "../../../src/upstream/check/tcp_check.ts";
import { withPort } from "../../../src/upstream/check/with_port.ts";
import { silent } from "../../support/peers.ts";
import { TemporaryFolder } from "../../support/folder.ts";
import { NEVER, startChecked } from "./check_fixture.ts";

Deno.test("a backend that takes a connection is fit", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const address: Address = { kind: "tcp", host: "127.0.0.1", port: listener.addr.port };
  const check = new TcpCheck({ connectAndReset });
  assertEquals(await check.run(address, NEVER), { detail: "connected" });
  listener.close();
  await assertRejects(() => check.run(address, NEVER), Error, "ECONNREFUSED");
});

Deno.test("a backend on a unix socket is checked too", async () => {
  await using folder = new TemporaryFolder();
  using backend = startChecked(silent, { path: folder.file("backend.sock") });
  assertEquals(await new TcpCheck({ connectAndReset }).run(backend.at, NEVER), { detail: "connected" });
});

Deno.test("the check asks for the address that it is given, with its signal, and hands on what goes wrong", async () => {
  const error = new Error("no route");
  const asked: unknown[] = [];
  const check = new TcpCheck({
    connectAndReset: (...args) => {
      asked.push(args);
      return Promise.reject(error);
    },
  });
  const address: Address = { kind: "tcp", host: "db", port: 5432 };
  assertStrictEquals(await check.run(address, NEVER).catch((caught) => caught), error);
  assertEquals(asked, [[address, NEVER]]);
});

Deno.test("another port takes the place of the backend's own, and a unix socket has none", () => {
  const address: Address = { kind: "tcp", host: "::1", port: 80 };
  assertEquals(withPort(address, 8080), { kind: "tcp", host: "::1", port: 8080 });
  assertStrictEquals(withPort(address, undefined), address);
  const socket: Address = { kind: "unix", path: "/run/app.sock" };
  assertStrictEquals(withPort(socket, undefined), socket);
  const message = 'Cannot check "unix:/run/app.sock" on port 81: a unix socket has no ports';
  assertThrows(() => withPort(socket, 81), CulvertError, message);
});
