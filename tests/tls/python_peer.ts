import { TemporaryFolder } from "../support/folder.ts";
import { Python } from "../support/python.ts";

/** TLS over buffers in memory: every record and every end can be sent, held back or broken off by itself. */
const PEER = `
import ssl, hashlib, json
host, port, role, ca, own, version = sys.argv[1:7]
def configure(ca, own, version):
    global context
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT if role == "client" else ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, version)
    # Some versions take an end without close_notify for one with it, unless they are told not to.
    context.options &= ~getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)
    if ca: context.load_verify_locations(ca)
    if own: context.load_cert_chain(own)
    if role == "server" and ca: context.verify_mode = ssl.CERT_REQUIRED
configure(ca, own, version)
listener = None
if role == "server":
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, int(port)), family=family)
    say(str(listener.getsockname()[1]))

class Peer:
    def __init__(self):
        if listener: self.s, _ = listener.accept()
        else: self.s = socket.create_connection((host, int(port)))
        self.s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.i, self.o = ssl.MemoryBIO(), ssl.MemoryBIO()
        name = {} if listener else {"server_hostname": "server.test"}
        self.tls = context.wrap_bio(self.i, self.o, server_side=bool(listener), **name)
        self.piece = 0
    def flush(self):
        data = self.o.read()
        if not data: return
        if not self.piece: self.s.sendall(data)
        else:
            for k in range(0, len(data), self.piece): self.s.send(data[k:k + self.piece])
    def fill(self):
        data = self.s.recv(65536)
        if data: self.i.write(data)
        else: self.i.write_eof()
        return bool(data)
    def loop(self, step):
        while True:
            try: result = step()
            except ssl.SSLWantReadError: result = None; again = True
            else: again = False
            finally: self.flush()
            if not again: return result
            self.fill()
    def handshake(self): self.loop(self.tls.do_handshake)
    def send(self, count, seed):
        block = bytes((seed + k) % 251 for k in range(65536)); h = hashlib.sha256()
        while count > 0:
            part = block[:min(count, len(block))]; h.update(part); count -= len(part)
            self.tls.write(part); self.flush()
        return h.hexdigest()
    def notify(self):
        try: self.tls.unwrap()
        except ssl.SSLWantReadError: pass
        except ssl.SSLError: pass
        self.flush()
    def read_all(self):
        h = hashlib.sha256(); count = 0
        while True:
            try: data = self.loop(lambda: self.tls.read(65536))
            except (ssl.SSLZeroReturnError, ): return [count, h.hexdigest(), "close_notify"]
            except ssl.SSLError as e: # Some versions have a class of its own for an end without close_notify.
                return [count, h.hexdigest(), "eof" if "UNEXPECTED_EOF" in (e.reason or "") else e.reason]
            except OSError as e: return [count, h.hexdigest(), "reset"]
            if not data: return [count, h.hexdigest(), "close_notify"]
            h.update(data); count += len(data)
    def fin(self): self.s.shutdown(socket.SHUT_WR)
    def at_end(self): return self.s.recv(1) == b""
    def reset(self): reset(self.s)

p = None
while True:
    line = hear()
    if not line: break
    result = None
    try: exec("result = " + line) if not line.startswith("p = ") else exec(line)
    except Exception as e: result = "error: " + type(e).__name__ + " " + str(getattr(e, "reason", e))
    say(json.dumps(result))
`;

/** The TLS settings of a {@linkcode PythonPeer}. */
export interface PythonPeerTls {
  readonly ca?: string;
  readonly own?: { readonly chainPem: string; readonly keyPem: string };
  readonly version?: "1.2" | "1.3";
}

/** What a {@linkcode PythonPeer} is. */
export interface PythonPeerSpec extends PythonPeerTls {
  readonly role: "client" | "server";
  readonly hostname?: string;
  /** For a client. */
  readonly port?: number;
}

/** Python's TLS, step by step: see the methods of `Peer` in the program. */
export class PythonPeer implements AsyncDisposable {
  readonly #folder = new TemporaryFolder();
  readonly #python: Python;

  constructor(spec: PythonPeerSpec) {
    const { role, hostname = "127.0.0.1", port = 0 } = spec;
    this.#python = new Python(PEER, hostname, port, role, ...this.#tlsArguments(spec));
  }

  #tlsArguments({ ca, own, version = "1.3" }: PythonPeerTls): [ca: string, own: string, version: string] {
    const file = (name: string, text: string | undefined) => {
      if (text === undefined) return "";
      Deno.writeTextFileSync(this.#folder.file(name), text);
      return this.#folder.file(name);
    };
    const ownFile = file("own.pem", own === undefined ? undefined : own.chainPem + own.keyPem);
    return [file("ca.pem", ca), ownFile, version === "1.2" ? "TLSv1_2" : "TLSv1_3"];
  }

  /** Changes the settings for the connections that follow; a server goes on listening. */
  async configure(tls: PythonPeerTls): Promise<void> {
    const args = this.#tlsArguments(tls).map((argument) => JSON.stringify(argument));
    const result = await this.do(`configure(${args.join(", ")})`);
    if (result !== null) throw new Error(String(result));
  }

  /** The port that a server listens on: the first thing it says. */
  async port(): Promise<number> {
    return Number(await this.#python.hear());
  }

  /** Has it do one thing and resolves to what came of it. */
  async do(line: string): Promise<unknown> {
    await this.#python.say(line);
    return JSON.parse(await this.#python.hear());
  }

  /** Tells it to do one thing, and does not wait. */
  async begin(line: string): Promise<{ done: Promise<unknown> }> {
    await this.#python.say(line);
    return { done: this.#python.hear().then((text) => JSON.parse(text)) };
  }

  /** A new connection, up to the end of the handshake. */
  async connect(): Promise<void> {
    await this.do("p = Peer()");
    const result = await this.do("p.handshake()");
    if (result !== null) throw new Error(String(result));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#python[Symbol.asyncDispose]();
    await this.#folder[Symbol.asyncDispose]();
  }
}
