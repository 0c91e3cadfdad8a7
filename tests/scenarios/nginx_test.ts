import { assertEquals, assertMatch } from "@std/assert";
import { hashOutput, output } from "../support/child.ts";
import { testWith } from "../support/installed.ts";
import { startCulvert } from "../support/program.ts";
import { proxyConfig } from "../support/proxy_config.ts";
import { startNginx } from "../support/servers.ts";
import { writeStamped } from "../support/stamped.ts";

const MIB = 1024 * 1024;
const NGINX = ["nginx", "curl"];
const CLOSED = { message: "connection closed", service: "main" };

/** Downloads what lies in its folder, and takes uploads there. */
const FILES = `server {
    listen 127.0.0.1:PORT;
    root FOLDER;
    dav_methods PUT;
  }`;

/** Three that each say their name; `a` on the port, the others on unix sockets. */
const NAMES = ["127.0.0.1:PORT", "unix:FOLDER/b.sock", "unix:FOLDER/c.sock"].map((listen, index) =>
  `server { listen ${listen}; location / { return 200 "${"abc"[index]}\\n"; } }`
).join("\n");

testWith(NGINX, "curl downloads 300 MiB from nginx, unchanged", async () => {
  await using nginx = await startNginx(FILES);
  const sha256 = await writeStamped(nginx.folder.file("large"), 300 * MIB);
  await using culvert = await startCulvert(proxyConfig({ backends: [nginx.address] }));

  const url = `http://127.0.0.1:${culvert.port("main")}/large`;
  assertEquals(await hashOutput("curl", ["-sS", "--fail", url]), { length: 300 * MIB, sha256 });

  const closed = await culvert.waitFor(CLOSED);
  assertEquals([closed.backend, closed.reason], [nginx.address, "client-closed"]);
  assertMatch(String(closed.bytes_down), /^31457\d{4}$/);
  await culvert.finish();
});

testWith(NGINX, "curl uploads 100 MiB to nginx, unchanged", async () => {
  await using nginx = await startNginx(FILES);
  const file = nginx.folder.file("to-send");
  const sha256 = await writeStamped(file, 100 * MIB);
  await using culvert = await startCulvert(proxyConfig({ backends: [nginx.address] }));

  const url = `http://127.0.0.1:${culvert.port("main")}/received`;
  await output("curl", ["-sS", "--fail", "-T", file, url]);
  const received = await hashOutput("cat", [nginx.folder.file("received")]);
  assertEquals(received, { length: 100 * MIB, sha256 });

  await culvert.waitFor(CLOSED);
  await culvert.finish();
});

testWith(NGINX, "twelve downloads at once arrive unchanged", async () => {
  await using nginx = await startNginx(FILES);
  const sha256 = await writeStamped(nginx.folder.file("medium"), 10 * MIB);
  await using culvert = await startCulvert(proxyConfig({ backends: [nginx.address] }));

  const url = `http://127.0.0.1:${culvert.port("main")}/medium`;
  const all = await Promise.all(Array.from({ length: 12 }, () => hashOutput("curl", ["-sS", "--fail", url])));
  assertEquals(new Set(all.map((one) => one.sha256)), new Set([sha256]));

  await culvert.waitFor(CLOSED, 12);
  await culvert.finish();
});

testWith(NGINX, "700 small requests are spread by weights, over TCP and unix sockets", async () => {
  await using nginx = await startNginx(NAMES);
  const { folder } = nginx;
  const backends = [
    `{address: "${nginx.address}", weight: 5}`,
    `{address: "unix:${folder.file("b.sock")}"}`,
    `{address: "unix:${folder.file("c.sock")}"}`,
  ];
  await using culvert = await startCulvert(proxyConfig({ backends }));

  // One connection for each request: what is spread is connections.
  const url = `http://127.0.0.1:${culvert.port("main")}/[1-700]`;
  const answers = await output("curl", ["-sS", "--fail", "-H", "Connection: close", url]);
  const names = answers.trim().split("\n");
  assertEquals(names.slice(0, 14).join(""), "aabacaaaabacaa");
  const count = (name: string) => names.filter((other) => other === name).length;
  assertEquals([count("a"), count("b"), count("c")], [500, 100, 100]);

  await culvert.waitFor({ ...CLOSED, backend: nginx.address }, 500);
  await culvert.waitFor({ ...CLOSED, backend: `unix:${folder.file("c.sock")}` }, 100);
  await culvert.finish();
});

testWith(NGINX, "many clients with kept-alive connections lose no request", async () => {
  await using nginx = await startNginx(NAMES);
  await using culvert = await startCulvert(proxyConfig({ backends: [nginx.address] }));

  const url = `http://127.0.0.1:${culvert.port("main")}/[1-2000]`;
  const parallel = ["--parallel", "--parallel-max", "20"];
  const answers = await output("curl", ["-sS", "--fail", ...parallel, url]);
  assertEquals(answers, "a\n".repeat(2000));

  await culvert.waitFor(CLOSED);
  await culvert.finish();
});
