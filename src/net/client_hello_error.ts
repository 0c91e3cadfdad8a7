import { CulvertError } from "../core/errors.ts";

/** The error for a ClientHello that can't be read. */
export function badClientHello(reason: string): CulvertError {
  return new CulvertError("bad_client_hello", `Cannot read the ClientHello: ${reason}`);
}
