import { CulvertError } from "../core/errors.ts";

/** A ClientHello that is larger than the bounds, and so is not read to its end. */
export class OversizedHelloError extends CulvertError {
  /** `reason` names the bound. */
  constructor(reason: string) {
    super("bad_client_hello", describe(reason));
  }
}

/** The error for a ClientHello that can't be read. */
export function badClientHello(reason: string): CulvertError {
  return new CulvertError("bad_client_hello", describe(reason));
}

function describe(reason: string): string {
  return `Cannot read the ClientHello: ${reason}`;
}
