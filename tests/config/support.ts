import type { Config } from "../../src/config/config.ts";
import { parseConfig } from "../../src/config/parse.ts";
import { ConfigError } from "../../src/config/problem/problem.ts";

/** Parses as `proxy.yaml` of `/etc/culvert`. */
export function parse(text: string): Config {
  return parseConfig(text, { name: "proxy.yaml", folder: "/etc/culvert" });
}

/** The lines of the message, without the name of the file; none for a good configuration. */
export function complaints(text: string): string[] {
  try {
    parse(text);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.message.split("\n").map((line) => line.replace(/^proxy\.yaml(?=:)/, ""));
  }
}

/** As {@linkcode complaints}, without the line numbers. */
export function unplaced(text: string): string[] {
  return complaints(text).map((line) => line.replace(/^(?::\d+)*: /, ""));
}

/** The least that is a configuration. */
export const MINIMAL = `version: 1
services:
  - name: echo
    listen: [":7"]
    upstream:
      backends: [{address: 10.0.0.1:7}]
`;

/** Text to add to the top, to the one upstream and to the one service. */
export interface ExtraKeys {
  readonly top?: string;
  readonly upstream?: string;
  readonly service?: string;
}

/** A good configuration of one service and one upstream, with keys added; each is one line of YAML or more. */
export function configWith({ top = "", upstream = "", service = "" }: ExtraKeys): string {
  return [
    "version: 1",
    top,
    "upstreams:",
    "  db:",
    /^backends:/m.test(upstream) ? "" : "    backends: [{address: 10.0.0.1:5432}]",
    indent(upstream, 4),
    "services:",
    "  - protocol: tcp",
    /^name:/m.test(service) ? "" : "    name: postgres",
    /^listen:/m.test(service) ? "" : '    listen: ["127.0.0.1:5432"]',
    /^upstream:/m.test(service) ? "" : "    upstream: db",
    indent(service, 4),
    "",
  ].filter((line, index, lines) => line !== "" || index === lines.length - 1).join("\n");
}

function indent(text: string, by: number): string {
  return text.replaceAll(/^(?=.)/gm, " ".repeat(by));
}

/** Random numbers that are the same in every run with the same seed (mulberry32). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A whole number from 0 to `end - 1`. */
  below(end: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let bits = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return Math.floor((((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32) * end);
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }
}
