import { assertEquals } from "@std/assert";
import { run } from "../../../support/child.ts";
import { findProgram } from "../../../support/installed.ts";
import { CHECK, halfOpenTest } from "./fixture.ts";

// What takes a network of its own: the system's tables are changed in it, and in no other.

const SET_UP = `
ip link set lo up
ip tuntap add dev far mode tun
ip address add 198.51.100.1/24 dev far
ip link set far up
ip route add unreachable 192.0.2.0/24
ip route add unreachable 2001:db8::/32
# One port for all connections.
echo 40000 40000 > /proc/sys/net/ipv4/ip_local_port_range
exec "$@"
`;

/** A host behind an interface of its own that accepts a connection and resets it at once. */
const FAR_HOST = `
import fcntl, os, struct, sys
device = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(device, 0x400454ca, struct.pack("16sH22x", b"far", 0x1001))
print("ready", flush=True)

def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff

def send(src, dst, ports, seq, ack, flags):
    tcp = struct.pack("!HHIIBBHHH", *ports, seq, ack, 0x50, flags, 65535, 0, 0)
    check = checksum(src + dst + struct.pack("!BBH", 0, 6, len(tcp)) + tcp)
    tcp = tcp[:16] + struct.pack("!H", check) + tcp[18:]
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40, 1, 0, 64, 6, 0, src, dst)
    ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
    os.write(device, ip + tcp)

while True:
    packet = os.read(device, 2000)
    if packet[0] >> 4 != 4 or packet[9] != 6:
        continue
    src, dst = packet[12:16], packet[16:20]
    sport, dport, seq = struct.unpack("!HHI", packet[20:28])
    if packet[33] != 2:
        continue
    send(dst, src, (dport, sport), 1000, seq + 1, 0x12)
    send(dst, src, (dport, sport), 1001, seq + 1, 0x04)
    print("answered", flush=True)
    break
`;

const PROGRAM = `
import { HalfOpenChecker } from "${CHECK}half_open/checker.ts";
import { parseAddress } from "${CHECK}../../net/address.ts";
const checker = new HalfOpenChecker();
checker.start();
async function check(text, meanwhile = () => {}) {
  const checked = checker.checkAddress(parseAddress(text), 30_000);
  meanwhile();
  console.log(text, await checked.then(() => "answered", (error) => error.failure + " " + error.systemCode));
}
await check("192.0.2.1:80");
await check("[2001:db8::1]:80");
await check("127.0.0.1:40000");
await check("[::1]:40000");

const far = new Deno.Command("python3", {
  args: ["-S", "-E", "-c", Deno.args[0]],
  stdout: "piped",
}).spawn();
const said = far.stdout.getReader();
await said.read();
await check("198.51.100.2:80", () => {
  // Both packets must have come before they are read.
  const state = () => Deno.readTextFileSync("/proc/self/net/tcp");
  const nothing = new Int32Array(new SharedArrayBuffer(4));
  for (let i = 0; i < 10_000 && / 026433C6:0050 0[12] /.test(state()); i++) Atomics.wait(nothing, 0, 0, 1);
});
await said.cancel();
await far.status;
await checker.close();
`;

const PROGRAMS = ["unshare", "ip", "sh", "python3"];

/** Why no network of its own is to be had. */
function unavailable(): string | undefined {
  if (PROGRAMS.some((program) => findProgram(program) === undefined)) return undefined;
  const args = ["-rn", "sh", "-c", "ip tuntap add dev far mode tun"];
  const { success } = new Deno.Command("unshare", { args, stdout: "null", stderr: "null" }).outputSync();
  return success ? undefined : "a network namespace is not allowed here";
}

halfOpenTest(
  "hosts without a way to them, ports that meet themselves and resets are told apart",
  async () => {
    const deno = [Deno.execPath(), "run", "--quiet", "-A", "--ext=js", "-", FAR_HOST];
    const args = ["-rn", "sh", "-c", SET_UP, "sh", ...deno];
    const { stdout, stderr } = await run("unshare", args, { input: PROGRAM });
    assertEquals(stdout.trim().split("\n"), [
      "192.0.2.1:80 unreachable EHOSTUNREACH",
      "[2001:db8::1]:80 unreachable EHOSTUNREACH",
      "127.0.0.1:40000 refused ECONNREFUSED",
      "[::1]:40000 refused ECONNREFUSED",
      "198.51.100.2:80 reset ECONNRESET",
    ], stderr);
  },
  { programs: PROGRAMS, also: unavailable() },
);
