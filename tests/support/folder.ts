/** A folder for one test. It is removed, with what is in it, when it is disposed of. */
export class TemporaryFolder implements AsyncDisposable {
  readonly path: string;

  constructor() {
    this.path = Deno.makeTempDirSync({ prefix: "culvert-test-" });
  }

  /** The path of a file in the folder. */
  file(name: string): string {
    return `${this.path}/${name}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.path, { recursive: true });
  }
}

/**
 * Below these ports the kernel picks none by itself, for listeners on port 0 and for connections: nothing takes such a
 * port between this test's look at it and its use.
 */
const [FIRST_PORT, END_OF_PORTS] = [12_000, 32_000];
const given = new Set<number>();

/**
 * A TCP port of 127.0.0.1 that is free, for programs that can't be told to pick one, and for addresses where nothing
 * listens. None is given twice.
 */
export function freePort(): number {
  for (;;) {
    const port = FIRST_PORT + Math.floor(Math.random() * (END_OF_PORTS - FIRST_PORT));
    if (given.has(port)) continue;
    try {
      Deno.listen({ hostname: "127.0.0.1", port }).close();
    } catch (error) {
      if (error instanceof Deno.errors.AddrInUse) continue;
      throw error;
    }
    given.add(port);
    return port;
  }
}
