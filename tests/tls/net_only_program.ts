// Run by the test beside it under `--allow-net` alone. Says how it goes with a server that is good, and with one whose
// CA is another.
import { TlsHandshakeError } from "../../src/tls/session/handshake_errors.ts";
import {
  clientContext,
  close,
  connect,
  makePki,
  readPiece,
  serverContext,
  TlsServer,
} from "./tls_fixture.ts";

const [good, other] = [await makePki(), await makePki()];
for (const material of [good, other]) {
  const context = serverContext(good, { cert: material.server.chainPem, key: material.server.keyPem });
  await using server = new TlsServer(context);
  for (const client of [clientContext(good), clientContext(good, { ca: undefined })]) {
    try {
      const { connection } = await connect(server.port, client);
      console.log(JSON.stringify(await readPiece(connection)));
      close(connection);
    } catch (error) {
      console.log(error instanceof TlsHandshakeError ? error.reason : error);
    }
  }
}
