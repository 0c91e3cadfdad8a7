import { startBackend, type TestBackend } from "./peers.ts";

/** How a {@linkcode startCheckServer} answers. */
export interface CheckAnswer {
  readonly status: number;
  /** After how many milliseconds. @default {0} */
  readonly afterMs?: number;
}

/** A server for checks by HTTP, on 127.0.0.1: says what `answer` has for the check of this number. */
export function startCheckServer(answer: (index: number) => CheckAnswer): TestBackend & { port: number } {
  let index = 0;
  const server = startBackend(async (connection) => {
    const { status, afterMs = 0 } = answer(index++);
    await connection.read(new Uint8Array(4096));
    // That it takes so long is what the check is to see.
    if (afterMs > 0) await new Promise((resolve) => setTimeout(resolve, afterMs));
    await connection.write(new TextEncoder().encode(`HTTP/1.1 ${status} X\r\ncontent-length: 0\r\n\r\n`));
  });
  return Object.assign(server, { port: Number(server.address.split(":").at(-1)) });
}

/** Another listener on the same host, which closes every connection. */
export class SecondPort implements Disposable {
  #listener: Deno.TcpListener | undefined;

  constructor(hostname: string, port: number) {
    this.#listener = Deno.listen({ hostname, port });
    void this.#accept(this.#listener);
  }

  close(): void {
    this.#listener?.close();
    this.#listener = undefined;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async #accept(listener: Deno.TcpListener): Promise<void> {
    for (;;) {
      try {
        (await listener.accept()).close();
      } catch (error) {
        if (!(error instanceof Deno.errors.NotConnected)) return;
      }
    }
  }
}
