import { assertEquals, assertInstanceOf } from "@std/assert";
import { CulvertError } from "../../../src/core/errors.ts";
import { ConfigError, formatProblem, type Problem } from "../../../src/config/problem/problem.ts";

const PROBLEMS: readonly (readonly [Problem, string])[] = [
  [
    { kind: "unknown_key", path: "services[0].lisen", expected: "one of x", nearest: "listen", line: 12 },
    'proxy.yaml:12: services[0].lisen: unknown key; did you mean "listen"?',
  ],
  [
    {
      kind: "bad_file",
      path: "a.cert",
      value: 'cannot read "x.pem": no such file',
      expected: "a file that can be read",
      line: 3,
    },
    'proxy.yaml:3: a.cert: cannot read "x.pem": no such file',
  ],
  [
    { kind: "unknown_key", path: "foo", expected: "one of name, listen" },
    "proxy.yaml: foo: unknown key; expected one of name, listen",
  ],
  [
    { kind: "missing", path: "version", expected: "1" },
    "proxy.yaml: version: missing; expected 1",
  ],
  [
    { kind: "bad_value", path: "weight", value: '"heavy"', expected: "a number", line: 3 },
    'proxy.yaml:3: weight: expected a number, got "heavy"',
  ],
  [
    { kind: "bad_value", path: "upstream", value: '"dbb"', expected: "a name", nearest: "db" },
    'proxy.yaml: upstream: expected a name, got "dbb"; did you mean "db"?',
  ],
  [
    { kind: "syntax", path: "", value: '"a: b: c"', expected: "YAML (bad)", line: 1, column: 5 },
    'proxy.yaml:1:5: expected YAML (bad), got "a: b: c"',
  ],
  [
    { kind: "bad_value", path: "", expected: "a mapping" },
    "proxy.yaml: expected a mapping",
  ],
];

for (const [problem, line] of PROBLEMS) {
  Deno.test(`a problem is written ${line}`, () => assertEquals(formatProblem(problem, "proxy.yaml"), line));
}

Deno.test("a ConfigError has a line for each problem, and its code", () => {
  const problems = PROBLEMS.map(([problem]) => problem);
  const error = new ConfigError("proxy.yaml", problems);
  assertInstanceOf(error, CulvertError);
  assertEquals(error.code, "bad_config");
  assertEquals(error.name, "ConfigError");
  assertEquals(error.problems, problems);
  assertEquals(error.message, PROBLEMS.map(([, line]) => line).join("\n"));
});
