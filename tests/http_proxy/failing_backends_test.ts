import { assert, assertEquals } from "@std/assert";
import { Child } from "../support/child.ts";
import { freePort } from "../support/folder.ts";
import { findProgram, testWith } from "../support/installed.ts";
import { until } from "../support/wait.ts";
import { ProxyFixture, type RawConnection } from "./proxy_fixture.ts";
import { readMessage, type TextMessage } from "./strictness/messages.ts";

/** Answers with its name and the target; says of each POST that it has come, before anything else. */
const NODE = `const [, port, name] = process.argv;
const { writeSync } = require("node:fs");
require("node:http").createServer((request, response) => {
  if (request.method === "POST") writeSync(1, request.url + "\\n");
  const answer = () => response.end(name + " " + request.url);
  request.resume().on("end", () => setTimeout(answer, 5));
}).listen(port, "127.0.0.1", () => writeSync(1, "ready\\n"));`;

const CLIENTS = 6;
const EJECTION_MS = 1000;

/** A server in a process of its own, on the same port each time that it is started. */
class NumberServer implements AsyncDisposable {
  readonly name: string;
  readonly port = freePort();
  /** The targets of all POST requests, of earlier processes too. */
  #earlier = "";
  #child: Child | undefined;

  constructor(name: string) {
    this.name = name;
  }

  async start(): Promise<void> {
    const child = this.#child = new Child({
      program: findProgram("node")!,
      args: ["-e", NODE, String(this.port), this.name],
    });
    await until(() => child.stdout.includes("ready\n"), {
      what: "Node to listen",
      context: () => child.stderr,
    });
  }

  signal(signal: Deno.Signal): void {
    this.#child!.signal(signal);
  }

  async kill(): Promise<void> {
    const child = this.#child!;
    child.signal("SIGKILL");
    await child.exit;
    this.#earlier += child.stdout;
  }

  get posts(): string[] {
    return (this.#earlier + this.#child!.stdout).split("\n").filter((line) => line.startsWith("/"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.signal("SIGCONT");
    await this.#child?.[Symbol.asyncDispose]();
  }
}

/** Clients that ask for one number after the other, and look whether the answers are theirs. */
class Load {
  /** Answers, by the name of the server. */
  readonly answers: Record<string, number> = {};
  /** Answers that are no success, by method and status. */
  readonly errors: string[] = [];
  readonly #fixture: ProxyFixture;
  #number = 0;
  #isOver = false;

  constructor(fixture: ProxyFixture) {
    this.#fixture = fixture;
  }

  get total(): number {
    return this.#number;
  }

  stop(): void {
    this.#isOver = true;
  }

  async run(): Promise<void> {
    while (!this.#isOver) {
      using client = await this.#fixture.client();
      for (let at = 0; !this.#isOver && at !== -1;) at = await this.#ask(client, at);
    }
  }

  /** Asks once. Resolves to where the next answer begins; -1: this one has closed the connection. */
  async #ask(client: RawConnection, at: number): Promise<number> {
    const number = ++this.#number;
    const method = number % 3 === 0 ? "POST" : "GET";
    const body = method === "POST" ? "Content-Length: 5\r\n\r\nhello" : "\r\n";
    await client.send(`${method} /${number} HTTP/1.1\r\nHost: a\r\n${body}`);
    let answer: TextMessage | undefined;
    await client.until(() =>
      (answer = readMessage(client.received, { at, body: "none" }))?.complete === true
    );
    if (answer?.complete !== true) {
      throw new Error(`no answer to ${method} ${number}: ${client.received.slice(at)}`);
    }
    if (answer.line !== "HTTP/1.1 200 OK") this.errors.push(`${method} ${answer.line}`);
    else {
      const [name = "", target] = answer.body.split(" ");
      assertEquals(target, `/${number}`, "the answer to another request");
      this.answers[name] = (this.answers[name] ?? 0) + 1;
    }
    return answer.fields.includes("connection: close") ? -1 : answer.end;
  }
}

testWith(
  ["node"],
  "under load, servers are killed, stopped and started again: each client gets its own answers",
  async () => {
    await using a = new NumberServer("a");
    await using b = new NumberServer("b");
    await Promise.all([a.start(), b.start()]);
    const retries = { attempts: 5, on: ["connect", 502, 504] as const };
    await using fixture = new ProxyFixture([], {
      upstreams: {
        app: {
          backends: [a, b].map(({ port }) => `127.0.0.1:${port}`),
          outlier: { failures: 3, ejectionMs: EJECTION_MS, maxEjected: 0.5 },
        },
      },
      routes: [{ match: {}, upstream: "app", retries }],
      timeouts: { responseMs: 1000 },
    });
    const load = new Load(fixture);
    const running = Promise.all(Array.from({ length: CLIENTS }, () => load.run()));
    const context = () => JSON.stringify([load.answers, load.errors]);
    const more = (count: number, name?: string) => {
      const read = () => name === undefined ? load.total : load.answers[name] ?? 0;
      const end = read() + count;
      return Promise.race([running, until(() => read() >= end, { what: `${count} answers`, context })]);
    };
    await more(100, "a");
    await more(100, "b");
    await a.kill();
    await more(300);
    await a.start();
    await more(50, "a");
    b.signal("SIGSTOP");
    await more(300);
    b.signal("SIGCONT");
    await more(50, "b");
    load.stop();
    await running;

    assertEquals(load.errors.filter((error) => !error.startsWith("POST HTTP/1.1 50")), []);
    const posts = [...a.posts, ...b.posts];
    assertEquals(posts.length, new Set(posts).size, "a POST has come twice");
    assert(posts.length > 100);
    assert(
      fixture.records.some(({ tries, method }) => tries > 1 && method === "GET"),
      "no GET was sent again",
    );
  },
);
