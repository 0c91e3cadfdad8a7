import { assertEquals, assertGreaterOrEqual } from "@std/assert";
import { parseAddress } from "../../../../src/net/address.ts";
import { Child } from "../../../support/child.ts";
import { Python } from "../../../support/python.ts";
import { until } from "../../../support/wait.ts";
import { halfOpenTest, judgeInTime, LONG_MS, startChecker } from "./fixture.ts";

/**
 * Listens at `argv[1]`, and tells of each connection that it accepts, in the order in which they were made: how many
 * that is, and what came over it.
 */
const LISTENER = `
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
listener = socket.socket(family)
listener.bind((sys.argv[1], 0))
listener.listen(1024)
say(str(listener.getsockname()[1]))
for count in range(1, 1000):
    connection = listener.accept()[0]
    try:
        received = connection.recv(100).decode()
    except ConnectionError:
        received = "a reset"
    say(f"{count} {received}")
    if received == "end":
        break
`;

/** A connection that the application is to see; what it has seen before comes first. */
async function connectAndSay(hostname: string, options: { port: number; text: string }): Promise<void> {
  using connection = await Deno.connect({ hostname, port: options.port });
  await connection.write(new TextEncoder().encode(options.text));
}

for (const host of ["127.0.0.1", "::1"]) {
  const programs = ["python3"];
  halfOpenTest(
    `hundreds of checks bring a program that listens at ${host} nothing to accept`,
    () =>
      judgeInTime(async (time) => {
        await using application = new Python(LISTENER, host);
        const port = Number(await application.hear());
        await using checker = startChecker();
        const check = () => checker.checkAddress({ kind: "tcp", host, port }, LONG_MS);
        for (let round = 0; round < 3; round++) await time(Promise.all(Array.from({ length: 100 }, check)));
        await connectAndSay(host, { port, text: "end" });
        const heard = await application.hear();
        return () => assertEquals(heard, "1 end");
      }),
    { programs },
  );

  halfOpenTest(`without zero linger a program at ${host} accepts a connection that has ended`, async () => {
    await using application = new Python(LISTENER, host);
    const port = Number(await application.hear());
    await using checker = startChecker();
    await checker.checkAddress({ kind: "tcp", host, port }, LONG_MS, { zeroLinger: false });
    assertEquals(await application.hear(), "1 ");
    await connectAndSay(host, { port, text: "end" });
    assertEquals(await application.hear(), "2 end");
  }, { programs });
}

const CHECKS = 25;
const FIN = 0x01;
const SYN = 0x02;
const RST = 0x04;
const ACK = 0x10;

/** One packet; `server` tells those that came from the port. */
interface Packet {
  readonly server: boolean;
  readonly flags: number;
}

/** Captures what goes to and from a port through loopback, until it is disposed of. */
class Capture implements AsyncDisposable {
  readonly #tshark: Child;
  readonly #port: number;

  constructor(port: number) {
    this.#port = port;
    const fields = ["tcp.stream", "tcp.dstport", "tcp.flags"].flatMap((field) => ["-e", field]);
    const args = ["-i", "lo", "-n", "-l", "-f", `tcp port ${port}`, "-T", "fields", ...fields];
    this.#tshark = new Child({ program: "tshark", args });
  }

  /** The packets so far, by connection, in order. */
  connections(): Packet[][] {
    const connections = new Map<string, Packet[]>();
    const complete = this.#tshark.stdout.slice(0, this.#tshark.stdout.lastIndexOf("\n") + 1);
    for (const line of complete.split("\n").slice(0, -1)) {
      const [stream = "", to, flags] = line.split("\t");
      const packets = connections.get(stream) ?? [];
      connections.set(stream, packets);
      packets.push({ server: Number(to) !== this.#port, flags: Number(flags) });
    }
    return [...connections.values()];
  }

  /** It works. */
  get running(): boolean {
    return this.#tshark.running;
  }

  /** What it complains of. */
  get stderr(): string {
    return this.#tshark.stderr;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#tshark[Symbol.asyncDispose]();
  }
}

/** The packets of 25 checks over IPv4 and as many over IPv6. */
async function captureChecks(time: (work: Promise<unknown>) => Promise<void>): Promise<Packet[][]> {
  using listener = Deno.listen({ hostname: "::", port: 0, tcpBacklog: 1024 });
  const { port } = listener.addr;
  await using capture = new Capture(port);
  await using checker = startChecker();
  const check = (host: string) => time(checker.checkAddress(parseAddress(`${host}:${port}`), LONG_MS));
  // It has begun when it has seen something.
  await until(async () => {
    if (!capture.running) throw new Error(capture.stderr);
    await check("127.0.0.1");
    return capture.connections().length > 0;
  }, { what: "tshark to capture" });
  for (let i = 0; i < CHECKS; i++) await Promise.all([check("127.0.0.1"), check("[::1]")]);
  // The end of what is to be captured: a connection that is one.
  (await Deno.connect({ hostname: "127.0.0.1", port })).close();
  const isConnection = (packets: Packet[]) => packets.some(({ flags }) => flags & FIN);
  await until(() => capture.connections().some(isConnection), { what: "tshark to have captured everything" });
  // Of the first the beginning may be missing.
  return capture.connections().filter((packets) => !isConnection(packets)).slice(1);
}

halfOpenTest(
  "on the wire a check is SYN, SYN-ACK and RST, and no ACK completes a handshake",
  () =>
    judgeInTime(async (time) => {
      const seen = await captureChecks(time);
      return () => {
        assertGreaterOrEqual(seen.length, 2 * CHECKS);
        for (const packets of seen) {
          assertEquals(packets, [
            { server: false, flags: SYN },
            { server: true, flags: SYN | ACK },
            { server: false, flags: RST | ACK },
          ]);
        }
      };
    }),
  { programs: ["tshark"], also: Deno.uid() === 0 ? undefined : "capturing needs root" },
);
