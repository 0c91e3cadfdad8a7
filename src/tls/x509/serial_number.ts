/** Octets within others. */
export interface Octets {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
}

/**
 * Where the significant octets of a serial number begin. Serial numbers are signed integers (ITU-T X.690 section 8.3):
 * leading octets that only repeat the sign are skipped, as some CAs write more of them than DER allows.
 */
export function significantStart({ bytes, start, end }: Octets): number {
  let at = start;
  while (at + 1 < end) {
    const isRedundant = bytes[at + 1]! < 0x80 ? bytes[at] === 0 : bytes[at] === 0xff;
    if (!isRedundant) break;
    at++;
  }
  return at;
}

/** A serial number as OpenSSL shows it: upper-case hexadecimal digits in pairs, with `-` in front if it is negative. */
export function formatSerial(content: Uint8Array): string {
  if (content.length === 0 || content[0]! < 0x80) {
    return content.toHex().replace(/^(?:00)+(?=.)/, "").toUpperCase();
  }
  const magnitude = (1n << BigInt(content.length * 8)) - BigInt(`0x${content.toHex()}`);
  return `-${evenDigits(magnitude)}`;
}

/** The octets of an INTEGER of this value, from the form of {@linkcode formatSerial}. */
export function serialOctets(serial: string): Uint8Array {
  if (!serial.startsWith("-")) {
    const octets = Uint8Array.fromHex(serial.length % 2 === 0 ? serial : `0${serial}`);
    return octets.length > 0 && octets[0]! < 0x80 ? octets : new Uint8Array([0, ...octets]);
  }
  const magnitude = BigInt(`0x${serial.slice(1)}`);
  const length = (serial.length - 1) / 2 + 1;
  const complement = (1n << BigInt(length * 8)) - magnitude;
  return Uint8Array.fromHex(complement.toString(16).padStart(length * 2, "0"));
}

/** Hexadecimal digits of a number that is not negative in the form of {@linkcode formatSerial}. */
export function normalizeSerial(hex: string): string {
  return evenDigits(BigInt(`0x${hex}`));
}

function evenDigits(value: bigint): string {
  const hex = value.toString(16);
  return hex.padStart(hex.length + hex.length % 2, "0").toUpperCase();
}
