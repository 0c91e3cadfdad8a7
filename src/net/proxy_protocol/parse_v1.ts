import { latin1 } from "../../core/latin1.ts";
import { formatIp, ipOfWords, parseIpv4, parseIpv6 } from "../ip.ts";
import { badProxyHeader, MAX_PROXY_V1_BYTES, type ProxyAddress, type ProxyParse } from "./header.ts";
import { checkProxyV1Start, isProxyPort } from "./v1_start.ts";
import { quoteText } from "../../core/escape_text.ts";

const CR = 13;
const LF = 10;
const BEGINNING = "PROXY ";

/**
 * Reads a header of version 1, a line of text (specification, section 2.1).
 *
 * @throws {CulvertError} `bad_proxy_header`, as soon as the bytes can't become one.
 */
export function parseProxyV1(bytes: Uint8Array): ProxyParse {
  for (let i = 0; i < Math.min(bytes.length, BEGINNING.length); i++) {
    if (bytes[i] !== BEGINNING.charCodeAt(i)) throw badProxyHeader(`it does not begin with "${BEGINNING}"`);
  }
  const end = findLineEnd(bytes);
  if (end === -1) {
    const start = latin1(bytes);
    if (start.endsWith("\r")) parseLine(start.slice(0, -1), bytes.length + 1);
    else checkProxyV1Start(start);
    return { kind: "incomplete", atLeast: bytes.length + 1 };
  }
  return parseLine(latin1(bytes, 0, end), end + 2);
}

/** `line` is without its line break; `length` is with it. */
function parseLine(line: string, length: number): ProxyParse {
  const [, protocol = "", ...fields] = line.split(" ");
  if (protocol === "UNKNOWN") {
    return { kind: "header", header: { version: 1, kind: "unknown", tlvs: {} }, length };
  }
  if (protocol !== "TCP4" && protocol !== "TCP6") {
    throw badProxyHeader(`expected TCP4, TCP6 or UNKNOWN, found ${quoteText(protocol)}`);
  }
  if (fields.length !== 4) {
    throw badProxyHeader(`expected two addresses and two ports, found ${quoteText(fields.join(" "))}`);
  }
  const [source, destination, sourcePort, destinationPort] = fields as [string, string, string, string];
  const endpoints = {
    source: parseEnd(source, { port: sourcePort, protocol }),
    destination: parseEnd(destination, { port: destinationPort, protocol }),
  };
  return { kind: "header", header: { version: 1, kind: "proxy", endpoints, tlvs: {} }, length };
}

/** Where the line's CR is; -1 while the line goes on. A CR or LF alone ends no line and is in none. */
function findLineEnd(bytes: Uint8Array): number {
  const limit = Math.min(bytes.length, MAX_PROXY_V1_BYTES);
  for (let i = BEGINNING.length; i < limit; i++) {
    if (bytes[i] === LF) throw badProxyHeader("a line feed without a carriage return");
    if (bytes[i] !== CR) continue;
    if (i + 1 === MAX_PROXY_V1_BYTES) break;
    if (i + 1 === bytes.length) return -1;
    if (bytes[i + 1] !== LF) throw badProxyHeader("a carriage return without a line feed");
    return i;
  }
  if (limit === MAX_PROXY_V1_BYTES) {
    throw badProxyHeader(`the line does not end within ${MAX_PROXY_V1_BYTES} bytes`);
  }
  return -1;
}

function parseEnd(
  text: string,
  { port, protocol }: { port: string; protocol: "TCP4" | "TCP6" },
): ProxyAddress {
  if (!isProxyPort(port)) {
    throw badProxyHeader(`expected a port from 0 to 65535, found ${quoteText(port)}`);
  }
  return { ip: parseIp(text, protocol), port: Number(port) };
}

function parseIp(text: string, protocol: "TCP4" | "TCP6"): string {
  if (protocol === "TCP4") {
    const bits = parseIpv4(text);
    if (bits === -1) throw badProxyHeader(`expected an IPv4 address, found ${quoteText(text)}`);
    return formatIp(ipOfWords([bits]));
  }
  const words = parseIpv6(text);
  if (words === undefined) throw badProxyHeader(`expected an IPv6 address, found ${quoteText(text)}`);
  return formatIp(ipOfWords(words));
}
