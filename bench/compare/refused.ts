/** Throws unless a proxy with routes refuses a request of `host` that none of them matches. */
export async function expectRefused(port: number, host: string): Promise<void> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  const request = `GET /no-route/ HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;
  await connection.write(new TextEncoder().encode(request));
  const buffer = new Uint8Array(64);
  const count = await connection.read(buffer) ?? 0;
  const answer = new TextDecoder().decode(buffer.subarray(0, count));
  if (!/^HTTP\/1\.1 (404|503) /.test(answer)) throw new Error(`A request without a route got "${answer}"`);
}
