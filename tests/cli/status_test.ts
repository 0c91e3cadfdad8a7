import { assertEquals, assertStringIncludes } from "@std/assert";
import { parseAdminAddress } from "../../src/cli/admin/admin_address.ts";
import { formatStatus } from "../../src/cli/status.ts";
import { coloured } from "../../src/cli/terminal/style.ts";
import { CulvertError } from "../../src/core/errors.ts";
import { difficultStatus, FULL_STATUS } from "../admin/metrics/metrics_fixture.ts";

const NOW = Date.parse("2026-11-20T12:10:00.000Z");

Deno.test("the status is one screen of text", () => {
  const program = { status: FULL_STATUS, ready: false, reasons: ["upstream app: no backend is available"] };
  const text = formatStatus(program, { nowMs: NOW });
  for (
    const line of [
      ": not ready",
      "  upstream app: no backend is available",
      "WORKER  STATE    ACTIVE  TOTAL  DELAY  MEMORY  FAILURES",
      "     1  running       3     10  2.0ms     11M         1",
      "SERVICE  LISTEN        ACTIVE  TOTAL  REFUSED    UP  DOWN",
      "web      127.0.0.1:80       3     10        6  1.0K  1.0T",
      "upstream app: round-robin, 1 of 3 available, 1 connections wait",
      "  dns A app.internal: failing, 2 backends",
      "certificate  /etc/web.pem  41d11h  CN=web, service web, service more",
      "crl          /etc/ca.crl   23h50m  CN=CA, service web",
    ]
  ) assertStringIncludes(text, line);
});

Deno.test("a refused reload, an expired certificate and a CRL that is not usable are set off in red", () => {
  const error = { code: "bad_config", message: "culvert.yaml:12: services[0].lisen: unknown key" };
  const status = {
    ...FULL_STATUS,
    reload: { ...FULL_STATUS.reload, ok: false, error },
    certificates: [{ ...FULL_STATUS.certificates[0]!, notAfter: "2026-11-20T12:00:00.000Z" }],
    crls: [{ ...FULL_STATUS.crls[0]!, usable: false, problem: "it can't be read" }],
  };
  const text = formatStatus({ status, ready: true, reasons: [] }, { nowMs: NOW, paint: coloured });
  // deno-lint-ignore no-control-regex
  const red = [...text.matchAll(/\x1b\[31m(.*?)\x1b\[0m/g)].map(([, each]) => each!);
  for (const part of ["was refused:", "expired", "it can't be read", "ejected"]) {
    assertEquals(red.filter((each) => each.includes(part)).length, 1, part);
  }
  assertStringIncludes(text, error.message);
});

Deno.test("nothing in a status can send a command to the terminal", () => {
  const text = formatStatus({ status: difficultStatus(), ready: true, reasons: ["\x1b[2J"] }, { nowMs: NOW });
  // deno-lint-ignore no-control-regex
  assertEquals(/[\x00-\x09\x0b-\x1f\x7f-\x9f]/.exec(text), null);
});

Deno.test("an admin address is a URL or a unix socket", () => {
  const host = (text: string) => parseAdminAddress(text).host;
  assertEquals(host("http://127.0.0.1:9901"), "127.0.0.1:9901");
  assertEquals(host("https://[::1]:9901/"), "[::1]:9901");
  assertEquals(host("https://proxy.example.org"), "proxy.example.org");
  assertEquals(parseAdminAddress("unix:/run/a.sock").address, { kind: "unix", path: "/run/a.sock" });
  for (
    const text of [
      "",
      "127.0.0.1:9901",
      "ftp://a:1",
      "http://",
      "http://a:0",
      "http://a:1/api",
      "http://u@a:1",
    ]
  ) {
    let code = "";
    try {
      parseAdminAddress(text);
    } catch (error) {
      code = (error as CulvertError).code;
    }
    assertEquals(code, "bad_usage", text);
  }
});
