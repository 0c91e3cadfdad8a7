"""Hostile clients. Arguments: the folder of certificates. Then on standard input, a line for each job:
action, port, how many times; answers `done` to each. Needs the package `cryptography` for records after a handshake."""
import hmac, os, select, socket, ssl, struct, subprocess, sys, threading
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

folder = sys.argv[1]
path = lambda name: os.path.join(folder, name)


def context(cert=None, version=None):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.load_verify_locations(path("ca.pem"))
    made.check_hostname = False
    if cert: made.load_cert_chain(path(cert + ".pem"), path(cert + ".key"))
    if version: made.minimum_version = made.maximum_version = version
    return made


def dial(port):
    s = socket.create_connection(("127.0.0.1", port), 20)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s


def send(s, data):
    """False once the other side has ended the connection."""
    try: s.sendall(data)
    except OSError: return False
    return True


def await_end(s, seconds=5):
    s.settimeout(seconds)
    try:
        while s.recv(65536): pass
    except OSError: pass
    s.close()


def hello():
    """The record of a ClientHello."""
    out = ssl.MemoryBIO()
    try: context().wrap_bio(ssl.MemoryBIO(), out, server_hostname="server.test").do_handshake()
    except ssl.SSLWantReadError: pass
    return out.read()


HELLO = hello()


def record(kind, data): return struct.pack("!BHH", kind, 0x301, len(data)) + data


def silent(port):
    with dial(port) as s: select.select([s], [], [], 0.02)


def half_hello(port):
    with dial(port) as s:
        send(s, HELLO[:len(HELLO) // 2])
        select.select([s], [], [], 0.02)


def in_bytes(port):
    s = dial(port)
    for byte in HELLO: send(s, bytes([byte]))
    s.close()


def in_records(port):
    s = dial(port)
    send(s, b"".join(record(22, bytes([byte])) for byte in HELLO[5:]))
    select.select([s], [], [], 1)
    s.close()


def oversized(port):
    s = dial(port)
    send(s, record(22, b"\1\xff\xff\xff" + bytes(16000)))
    for _ in range(8): send(s, record(22, bytes(16384)))
    await_end(s)


def early_data(port):
    """A ClientHello with early_data (RFC 8446 section 4.2.10) and 16 KiB that could be early data."""
    body = HELLO[5:] + b"\0\x2a\0\0"
    at = 4 + 2 + 32
    at += 1 + body[at]
    at += 2 + struct.unpack("!H", body[at:at + 2])[0]
    at += 1 + body[at]
    extensions = struct.unpack("!H", body[at:at + 2])[0] + 4
    body = body[:1] + (len(body) - 4).to_bytes(3, "big") + body[4:at] + struct.pack("!H", extensions) + body[at + 2:]
    s = dial(port)
    send(s, record(22, body) + record(23, os.urandom(16384)))
    select.select([s], [], [], 1)
    s.close()


def proxy_garbage(port):
    s = dial(port)
    send(s, b"PROXY " + b"\xff" * 200)
    await_end(s, 1)


def proxy_v2_garbage(port):
    s = dial(port)
    send(s, b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff" + os.urandom(4096))
    await_end(s, 0.05)


def not_tls(port):
    s = dial(port)
    send(s, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    await_end(s, 1)


def handshake(cert, version):
    made = context(cert, version)
    def run(port):
        try:
            with made.wrap_socket(dial(port)) as s: s.recv(1)
        except OSError: pass
    return run


class Records:
    """A session by TLS 1.3 whose records are then made by hand, with the secret that the key log has."""

    def __init__(self, port):
        made = context("client", ssl.TLSVersion.TLSv1_3)
        made.keylog_filename = log = path(f"keys-{threading.get_ident()}")
        self.socket = made.wrap_socket(dial(port))
        lines = [line.split() for line in open(log)]
        os.unlink(log)
        [name] = [line[2] for line in lines if line[0] == "CLIENT_TRAFFIC_SECRET_0"]
        self.hash, self.size = ("sha384", 32) if "256" in self.socket.cipher()[0] else ("sha256", 16)
        self.rekey(bytes.fromhex(name))
        self.raw = socket.socket(fileno=os.dup(self.socket.fileno()))

    def expand(self, secret, label, size):
        label = b"tls13 " + label
        info = struct.pack("!HB", size, len(label)) + label + b"\0\1"
        return hmac.new(secret, info, self.hash).digest()[:size]

    def rekey(self, secret):
        self.secret, self.sequence = secret, 0
        self.key, self.iv = AESGCM(self.expand(secret, b"key", self.size)), self.expand(secret, b"iv", 12)

    def seal(self, kind, data=b""):
        nonce = bytes(a ^ b for a, b in zip(self.iv, self.sequence.to_bytes(12, "big")))
        self.sequence += 1
        head = struct.pack("!BHH", 23, 0x303, len(data) + 17)
        return head + self.key.encrypt(nonce, data + bytes([kind]), head)

    def update(self, asked):
        made = self.seal(22, b"\x18\0\0\1" + bytes([asked]))
        size = 48 if self.hash == "sha384" else 32
        self.rekey(self.expand(self.secret, b"traffic upd", size))
        return made


def flood(make):
    """A thousand records on one connection."""
    def run(port):
        session = Records(port)
        data = b"".join(make(session) for _ in range(1000))
        session.raw.settimeout(5)
        send(session.raw, data)
        try: session.raw.shutdown(socket.SHUT_WR)
        except OSError: pass
        await_end(session.raw)
        session.socket.close()
    return run


def renegotiate(port):
    args = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-tls1_2", "-cert", path("client.pem"), "-key", path("client.key")]
    child = subprocess.Popen(args, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(20):
            child.stdin.write(b"R\n")
            child.stdin.flush()
            select.select([], [], [], 0.02)
        child.stdin.close()
    except OSError: pass
    try: child.wait(3)
    except subprocess.TimeoutExpired: child.kill()


def plain(port):
    """Of a service that speaks TLS with its backend."""
    s = dial(port)
    await_end(s)


ACTIONS = {
    "silent": silent, "half_hello": half_hello, "in_bytes": in_bytes, "in_records": in_records, "oversized": oversized,
    "early_data": early_data, "proxy_garbage": proxy_garbage, "proxy_v2_garbage": proxy_v2_garbage, "not_tls": not_tls,
    "no_certificate": handshake(None, None), "honest": None,
    "web_tls12": handshake("web", ssl.TLSVersion.TLSv1_2), "web_tls13": handshake("web", ssl.TLSVersion.TLSv1_3),
    "namesakes": handshake("namesakes", ssl.TLSVersion.TLSv1_3),
    "empty_records": flood(lambda session: session.seal(23)),
    "one_byte_records": flood(lambda session: session.seal(23, b"x")),
    "key_updates": flood(lambda session: session.update(0)),
    "key_updates_asked": flood(lambda session: session.update(1)),
    "renegotiations": renegotiate, "backend": plain,
}


def honest(port):
    with good.wrap_socket(dial(port)) as s:
        s.sendall(b"x")
        s.recv(1)


good = context("client")
ACTIONS["honest"] = honest


def serve(name, version):
    """A server that shows a web of CAs."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(path(name + ".pem"), path(name + ".key"))
    if version: made.maximum_version = version
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    def one(s):
        try: await_end(made.wrap_socket(s, server_side=True))
        except OSError: s.close()
    def loop():
        while True: threading.Thread(target=one, args=(listener.accept()[0],), daemon=True).start()
    threading.Thread(target=loop, daemon=True).start()
    return listener.getsockname()[1]


def echo():
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    def one(s):
        try:
            while data := s.recv(65536): s.sendall(data)
        except OSError: pass
        s.close()
    def loop():
        while True: threading.Thread(target=one, args=(listener.accept()[0],), daemon=True).start()
    threading.Thread(target=loop, daemon=True).start()
    return listener.getsockname()[1]


print(echo(), serve("web", None), serve("web", ssl.TLSVersion.TLSv1_2), flush=True)
for line in sys.stdin:
    action, port, times = line.split()
    failed = ""
    try:
        for _ in range(int(times)): ACTIONS[action](int(port))
    except Exception as error: failed = f" {type(error).__name__}: {error}"
    print("done" + failed, flush=True)
