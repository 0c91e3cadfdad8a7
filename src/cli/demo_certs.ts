import { describeError } from "../core/errors.ts";

/** The folder of the demo's certificates, below the current one, as the printed commands name it too. */
export const CERTS = "certs";

/** What is in it: all that the listener and the printed commands take. */
const FILES = ["server.pem", "server.key", "ca.pem", "ca.crl", "client.pem", "client.key"];

/** Why there can't be a listener with mutual TLS, and how to get one. */
export interface Obstacle {
  readonly why: string;
  readonly help: string;
}

/** Looks whether the demo's certificates are there and may be read; `undefined` if so. Asks for nothing. */
export async function findObstacle(): Promise<Obstacle | undefined> {
  for (const path of FILES.map((name) => `${CERTS}/${name}`)) {
    const { state } = await Deno.permissions.query({ name: "read", path });
    if (state !== "granted") {
      return {
        why: `Deno may not read ${CERTS}/`,
        help: `add --allow-read=${CERTS} in a folder that has ${CERTS}/`,
      };
    }
    try {
      await Deno.stat(path);
    } catch (error) {
      const why = error instanceof Deno.errors.NotFound ? `there is no ${path} here` : describeError(error);
      return {
        why,
        help: `make certificates with "culvert certs ${CERTS}", or run the demo in Culvert's own folder`,
      };
    }
  }
  return undefined;
}
