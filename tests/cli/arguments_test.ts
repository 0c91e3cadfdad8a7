import { assert, assertEquals, assertThrows } from "@std/assert";
import { parseCommand } from "../../src/cli/arguments.ts";
import { COMMANDS } from "../../src/cli/commands.ts";
import { usage } from "../../src/cli/usage.ts";
import { CulvertError } from "../../src/core/errors.ts";

const words = (line: string) => line.split(" ").filter((word) => word !== "");

Deno.test("each form of each command is understood", () => {
  const run = { name: "run", config: "proxy.yaml" } as const;
  for (
    const line of ["--config proxy.yaml", "--config=proxy.yaml", "-c proxy.yaml", "run --config proxy.yaml"]
  ) {
    assertEquals(parseCommand(words(line)), run);
  }
  assertEquals(parseCommand(words("--config proxy.yaml run")), run);
  assertEquals(parseCommand(words("check --config a.yaml")), { name: "check", config: "a.yaml" });
  assertEquals(parseCommand(words("permissions -c a.yaml")), { name: "permissions", config: "a.yaml" });
  const watch = { name: "permissions", config: "a.yaml", watch: true } as const;
  assertEquals(parseCommand(words("permissions --watch -c a.yaml")), watch);
  assertEquals(parseCommand(words("permissions -c a.yaml --watch")), watch);
  assertEquals(parseCommand(["demo"]), { name: "demo" });
  const admin = "http://127.0.0.1:9901";
  assertEquals(parseCommand(["status"]), { name: "status", json: false, admin });
  assertEquals(parseCommand(words("status --json --admin unix:/a")), {
    ...{ name: "status", json: true, admin: "unix:/a" },
  });
  assertEquals(parseCommand(["init"]), { name: "init", kind: "tcp" });
  assertEquals(parseCommand(words("init sni")), { name: "init", kind: "sni" });
  assertEquals(parseCommand(words("completions zsh")), { name: "completions", shell: "zsh" });
  assertEquals(parseCommand(["top"]), { name: "top", intervalMs: 1000, admin });
  assertEquals(parseCommand(words("top --interval 2s --admin https://a --ca b --cert c --key d")), {
    ...{ name: "top", intervalMs: 2000, admin: "https://a", ca: "b", cert: "c", key: "d" },
  });
  assertEquals(parseCommand(words("explain -c a.yaml --service db --from 10.0.0.1")), {
    ...{ name: "explain", config: "a.yaml", service: "db", from: "10.0.0.1" },
  });
  assertEquals(
    parseCommand(
      words("explain -c a --service web --via ::1 --cert a.pem --sni a --method PUT --url http://a/"),
    ),
    {
      ...{ name: "explain", config: "a", service: "web", via: "::1", cert: "a.pem", sni: "a" },
      ...{ method: "PUT", url: "http://a/" },
    },
  );
});

Deno.test("a dash is standard input, in each form", () => {
  for (const line of ["--config -", "--config=-", "-c -", "run --config -"]) {
    assertEquals(parseCommand(words(line)), { name: "run", config: "-" });
  }
});

Deno.test("a file that looks like a number or has spaces in its name is a file", () => {
  assertEquals(parseCommand(["--config", "1.0"]), { name: "run", config: "1.0" });
  assertEquals(parseCommand(["--config", "my proxy.yaml"]), { name: "run", config: "my proxy.yaml" });
});

Deno.test("help and version come before everything else that is right", () => {
  for (const line of ["--help", "-h", "fly --help", "--config a.yaml -h"]) {
    assertEquals(parseCommand(words(line)), { name: "help" });
  }
  for (const { name } of COMMANDS) {
    assertEquals(parseCommand([name, "--help"]), { name: "help", command: name });
  }
  for (const line of ["--version", "-V", "run --version"]) {
    assertEquals(parseCommand(words(line)), { name: "version" });
  }
});

Deno.test("what is not understood is bad usage, and named", () => {
  const bad: [string, string][] = [
    ["", "run needs --config FILE, once; see --help"],
    ["run", "run needs --config FILE, once"],
    ["check", "check needs --config FILE, once"],
    ["--config", "run needs --config FILE, once"],
    ["--config=", "run needs --config FILE, once"],
    ["--config a --config b", "run needs --config FILE, once"],
    [
      "start --config a",
      'unknown command "start"; expected one of run, check, permissions, explain, init, import, status, top',
    ],
    ["proxy.yaml", 'unknown command "proxy.yaml"'],
    ["run b.yaml --config a", 'unexpected argument "b.yaml"'],
    ["demo --config a", "demo takes no --config"],
    ["demo --watch", "demo takes no --watch"],
    ["run --config a --watch", "run takes no --watch"],
    ["--watch --config a", "run takes no --watch"],
    ["status --admin 127.0.0.1:1", "--admin 127.0.0.1:1: expected http://HOST:PORT"],
    ["status --admin https://a --cert a", "--cert and --key need each other"],
    ["status --ca a", "--ca, --cert and --key are for --admin https://"],
    ["top --interval 10ms", "--interval 10ms: expected a duration of 100ms or more"],
    ["init udp", "init needs [tcp|mtls-server|mtls-client|sni|http]"],
    ["init tcp http", 'unexpected argument "http"'],
    ["completions", "completions needs bash|zsh|fish"],
    ["completions tcsh", "completions needs bash|zsh|fish"],
    ["top --json", "top takes no --json"],
    ["explain -c a", "explain needs --service NAME, once"],
    ["explain --service db", "explain needs --config FILE, once"],
    ["explain -c a --service db --service web", "explain needs --service NAME, once"],
    ["explain -c a --service db --method GET", "explain needs --url URL, once"],
    ["check -c a --service db", "check takes no --service"],
    ["--confg a", 'unknown option "--confg"'],
    ["--config a -x", 'unknown option "-x"'],
    ["--config a -", 'unknown command "-"'],
  ];
  for (const [line, message] of bad) {
    const error = assertThrows(() => parseCommand(words(line)), CulvertError);
    assertEquals(
      [error.code, error.message.includes(message)],
      ["bad_usage", true],
      `${line}: ${error.message}`,
    );
  }
});

Deno.test("the help of the program names every command, and that of a command every option", () => {
  for (const command of COMMANDS) {
    assert(usage().includes(`culvert ${command.name}`), command.name);
    for (const { name, text } of command.options) {
      assert(
        usage(command).includes(`--${name}`) && usage(command).includes(text),
        `${command.name} ${name}`,
      );
    }
    const long = [usage(), usage(command)].join("\n").split("\n").filter((line) => line.length > 110);
    assertEquals(long, []);
  }
});
