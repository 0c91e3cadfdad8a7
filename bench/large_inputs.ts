import { createAuthority } from "../src/tls/authority/authority.ts";
import { randomSerial } from "../src/tls/authority/parts.ts";

/** Writes files with large inputs into a folder, and a certificate and key for a server. */
export async function writeLargeInputs(folder: string): Promise<void> {
  const put = (name: string, text: string) => Deno.writeTextFileSync(`${folder}/${name}`, text);
  const server = await (await createAuthority()).issueServer({ names: ["localhost"] });
  put("server.pem", server.certPem);
  put("server.key", server.keyPem);
  const { ca, crl } = await largeCrl(200_000);
  put("crl-ca.pem", ca);
  put("ca.crl", crl);
  put("bundle.pem", await largeBundle(2000));
  put("backends.yaml", largeList(50_000));
  put("services.yaml", largeConfig(1000));
  put("backends.json", largeUpstream(10_000));
}

/** A CA, and a CRL of it with so many entries, as PEM. */
async function largeCrl(entries: number): Promise<{ ca: string; crl: string }> {
  const ca = await createAuthority({ name: "Large CRL" });
  for (let i = 0; i < entries; i++) ca.revoke(randomSerial(), { reason: "keyCompromise" });
  return { ca: ca.certPem, crl: ca.crl() };
}

/** A bundle of so many CAs, as PEM: one key, as making keys takes long. */
async function largeBundle(count: number): Promise<string> {
  const root = await createAuthority({ name: "Large bundle" });
  const { keyPem } = root;
  const cas = await Promise.all(
    Array.from({ length: count }, (_, i) => root.issue({ cn: `CA ${i}`, isCa: true, keyPem })),
  );
  return root.certPem + cas.map(({ certPem }) => certPem).join("");
}

/** A list of so many backends, as YAML with a line for each. */
function largeList(count: number): string {
  return Array.from({ length: count }, (_, i) => `- ${address(i)}\n`).join("");
}

/** A configuration of so many services, each with ten backends of its own, as YAML. */
function largeConfig(services: number): string {
  const lines = Array.from({ length: services }, (_, i) =>
    [
      `  - name: service-${i}`,
      `    listen: ["127.0.0.1:0"]`,
      "    upstream:",
      "      backends:",
      ...Array.from({ length: 10 }, (_, j) => `        - address: ${address(i * 10 + j)}`),
    ].join("\n"));
  return `version: 1\nservices:\n${lines.join("\n")}\n`;
}

/** A configuration of one service with so many backends, as JSON. */
function largeUpstream(backends: number): string {
  return JSON.stringify({
    version: 1,
    upstreams: { db: { backends: Array.from({ length: backends }, (_, i) => address(i)) } },
    services: [{ name: "postgres", listen: ["127.0.0.1:0"], upstream: "db" }],
  });
}

function address(i: number): string {
  return `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}:5432`;
}
