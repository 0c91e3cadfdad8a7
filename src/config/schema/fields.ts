import * as v from "valibot";
import { CulvertError } from "../../core/errors.ts";
import { DURATION_FORM, parseDuration } from "../../core/units.ts";
import { type Address, parseAddress } from "../../net/address.ts";
import { parseAddressSet } from "../../net/address_set.ts";
import { parseIp } from "../../net/ip.ts";
import type { ListenAddress } from "../../net/socket_access.ts";
import { faultOfSniPattern } from "../../net/client_hello/sni_map.ts";
import { STARTTLS_NAMES, type StartTlsName } from "../../tls/starttls/protocol.ts";
import type { TlsVersion } from "../../tls/session/server_context.ts";
import { MAX_BACKENDS } from "../../upstream/discover/backend_set.ts";
import { isHost } from "./host.ts";

// What schemas are made of. The message of each says what is expected there: `a list of names`.

/** A schema for anything that comes out of a document, with `T` as its result. */
export type Field<T> = v.GenericSchema<unknown, T>;

/** The largest count: far above what a machine can have of anything that is counted here. */
const MAX_COUNT = 10_000_000;

/** The most workers; more would only cost memory. */
export const MAX_WORKERS = 64;

/** The longest list: as long as a set of backends may be. */
export const MAX_ITEMS = MAX_BACKENDS;

/**
 * A mapping that has these keys and no others. Every other key is a problem of its own, of type `never`; its
 * message is the list of the known keys.
 */
export function mapping<E extends v.ObjectEntries>(
  entries: E,
  message: string,
): Field<v.InferOutput<v.ObjectSchema<E, undefined>>> {
  const unknownKey = v.never(Object.keys(entries).join(", "));
  // For a key that is missing, what is expected is what its own schema says about nothing.
  const explain = (issue: v.BaseIssue<unknown>): string => {
    const entry = entries[String(issue.path?.at(-1)?.key)];
    const missing = entry === undefined ? undefined : v.safeParse(entry as v.GenericSchema, undefined);
    return missing?.issues?.[0].message ?? message;
  };
  return v.pipe(v.custom<object>(isMapping, message), v.objectWithRest(entries, unknownKey, explain));
}

/** A mapping with names as its keys. */
export function mappingOf<T>(value: Field<T>, message: string): Field<{ [name: string]: T }> {
  return v.pipe(v.custom<object>(isMapping, message), v.record(name(), value));
}

/** A mapping from server names and wildcards to names of upstreams. */
export function namesByPattern(): Field<{ [pattern: string]: string }> {
  const pattern = v.pipe(
    v.string(),
    v.check(
      (text) => faultOfSniPattern(text) === undefined,
      "a server name such as app.example.org, or a wildcard such as *.example.org",
    ),
  );
  const message = "a mapping from server names to names of upstreams";
  return v.pipe(
    v.custom<object>(isMapping, message),
    v.record(pattern, v.string("the name of an upstream")),
    v.check((names) => Object.keys(names).length > 0, message),
  );
}

/** The path of a file. */
export function file(): Field<string> {
  const message = "the path of a file";
  const good = (path: string) => path !== "" && !path.includes("\0") && !path.includes(",");
  return v.pipe(v.string(message), v.check(good, `${message}, without commas`));
}

/** Files and folders of CRLs, one or several. */
export function crlFiles(): Field<string[]> {
  const path = v.pipe(
    file(),
    v.check(
      (text) => !/^[A-Za-z][A-Za-z0-9+.-]*:\/\//.test(text),
      "the path of a file or folder; for the CRL of a URL, fetch it to a file that is named here",
    ),
  );
  const paths = filledList(path, "the path of a file or folder of CRLs, or a list of such paths");
  return v.lazy((input) =>
    typeof input === "string" ? v.pipe(path, v.transform((single) => [single])) : paths
  );
}

/** A name of a host, or an IP address. */
export function host(): Field<string> {
  const message = "a host name or an IP address";
  return v.pipe(v.string(message), v.check(isHost, message));
}

/** The name of a protocol for ALPN, whose length is written as one byte (RFC 7301, section 3.1). */
export function protocol(): Field<string> {
  const message = "the name of a protocol, of 1 to 255 bytes";
  const fits = (text: string) => text !== "" && new TextEncoder().encode(text).length <= 255;
  return v.pipe(v.string(message), v.check(fits, message));
}

/** A share in percent, such as `50%`, as a fraction. */
export function percentage(): Field<number> {
  return readWith((input) => {
    const percent = typeof input === "string" ? /^(\d{1,3})%$/.exec(input)?.[1] : undefined;
    return percent === undefined || Number(percent) > 100 ? undefined : Number(percent) / 100;
  }, "a share from 0% to 100%");
}

/** A list, which may be empty. One that is too long is not looked into: each item might be a problem. */
export function list<T>(item: Field<T>, message: string): Field<T[]> {
  const fits = (value: unknown) => !Array.isArray(value) || value.length <= MAX_ITEMS;
  return v.pipe(v.custom<unknown>(fits, `a list of ${MAX_ITEMS} items at most`), v.array(item, message));
}

/** A list of one item at least. */
export function filledList<T>(item: Field<T>, message: string): Field<T[]> {
  return v.pipe(list(item, message), v.minLength(1, message));
}

/** One of these words. */
export function choice<const T extends readonly string[]>(options: T): Field<T[number]> {
  return v.picklist(options, options.length === 1 ? `"${options[0]}"` : `one of ${options.join(", ")}`);
}

/** A version of TLS. YAML reads `1.2` without quotes as a number, which will do. */
export function tlsVersion(): Field<TlsVersion> {
  const version = choice(["1.2", "1.3"]);
  return v.lazy((input) =>
    typeof input === "number" ? v.pipe(v.unknown(), v.transform(String), version) : version
  );
}

/** The protocol in which TLS is asked for. */
export function starttls(): Field<StartTlsName> {
  return choice(STARTTLS_NAMES);
}

/** `true` or `false`. */
export function flag(): Field<boolean> {
  return v.boolean("true or false");
}

/** A name of a service or an upstream. It appears in logs, metrics and addresses of the admin API. */
export function name(): v.GenericSchema<string, string> {
  const message = "a name of 1 to 100 characters, without control characters and spaces around it";
  // deno-lint-ignore no-control-regex
  const printable = /^(?!\s)[^\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff]{1,100}(?<!\s)$/;
  return v.pipe(v.string(message), v.regex(printable, message));
}

/** A whole number, by default from 0 to ten million. */
export function count({ min = 0, max = MAX_COUNT }: { min?: number; max?: number } = {}): Field<number> {
  const message = `a whole number from ${min} to ${max}`;
  const inRange = (value: number) => Number.isInteger(value) && value >= min && value <= max;
  return v.pipe(v.number(message), v.check(inRange, message));
}

/** How many threads carry traffic. */
export function workers(): Field<number | "auto"> {
  const isCount = (input: unknown): input is number =>
    Number.isInteger(input) && input as number >= 1 && input as number <= MAX_WORKERS;
  const read = (input: unknown) => input === "auto" || isCount(input) ? input : undefined;
  return readWith(read, `"auto", or a whole number from 1 to ${MAX_WORKERS}`);
}

/** A duration, in milliseconds. `zero: false` where there must be a bound. */
export function duration({ zero }: { zero: boolean }): Field<number> {
  const read = (input: unknown) => {
    const ms = typeof input === "string" || typeof input === "number" ? parseDuration(input) : undefined;
    return ms === 0 && !zero ? undefined : ms;
  };
  const orZero = zero ? "or 0" : "and not 0";
  const form = readWith(read, `${DURATION_FORM}, ${orZero}`);
  return v.lazy((input) => {
    if (!/^[1-9]\d{0,5}$/.test(String(input))) return form;
    return readWith(read, `a duration with its unit, such as ${input}s or ${input}ms, ${orZero}`);
  });
}

/** An IP address or subnet, as text. */
export function subnet(): Field<string> {
  return readWith((input) => {
    if (typeof input !== "string") return undefined;
    parseAddressSet([input]);
    return input;
  }, "an IP address or a subnet such as 10.0.0.0/8, with no bits set behind its prefix");
}

const LISTEN = "an address: host:port, :port, [ipv6]:port or unix:/path";

/**
 * Where to listen. Port 0 picks a free one; no host stands for all addresses. A unix socket may be a mapping, with its
 * mode and group.
 */
export function listenAddress(): Field<ListenAddress> {
  const plain: Field<ListenAddress> = v.pipe(
    address(LISTEN),
    v.check((at) => at.kind === "unix" || at.host === "" || isHost(at.host), HOST),
  );
  const socket = mapping({
    address: v.pipe(
      address("unix:/path, the address of a unix socket"),
      v.check(({ kind }) => kind === "unix", "unix:/path, as mode and group are for unix sockets"),
    ),
    mode: v.exactOptional(fileMode()),
    group: v.exactOptional(group()),
  }, LISTEN);
  const withAccess: Field<ListenAddress> = v.pipe(
    socket,
    v.transform(({ address, ...access }) => ({ ...address, access })),
  );
  return v.lazy((input) => isMapping(input) ? withAccess : plain);
}

function fileMode(): Field<number> {
  const message = 'a mode in quotes, in octal: "0600" for the owner alone, "0660" for its group too';
  return v.pipe(
    v.string(message),
    v.regex(/^0?[0-7]{3}$/, message),
    v.transform((text) => parseInt(text, 8)),
  );
}

function group(): Field<string | number> {
  const message = "the name of a group, or its number";
  return v.union([
    v.pipe(v.string(message), v.regex(/^[A-Za-z_][\w.-]*\$?$/, message)),
    v.pipe(
      v.number(message),
      v.safeInteger(message),
      v.minValue(0, message),
      v.maxValue(0xffff_fffe, message),
    ),
  ], message);
}

/** The address of a backend. */
export function backendAddress(): Field<Address> {
  return v.pipe(
    address("an address: host:port, [ipv6]:port or unix:/path"),
    v.check((at) => at.kind === "unix" || isHost(at.host), HOST),
    v.check((at) => at.kind === "unix" || at.port !== 0, "an address with a port from 1 to 65535"),
  );
}

/** A server that is given by its IP address. */
export function serverAddress(): Field<Address> {
  const message = "an IP address with its port, such as 10.0.0.2:53 or [::1]:53";
  return v.pipe(
    address(message),
    v.check((at) => at.kind === "tcp" && parseIp(at.host) !== undefined && at.port !== 0, message),
  );
}

const HOST = "an address whose host is an IP address or a host name";

function address(message: string): Field<Address> {
  return readWith((input) => typeof input === "string" ? parseAddress(input) : undefined, message);
}

/** Whatever `read` makes of the input. `undefined` and a {@linkcode CulvertError} stand for a bad one. */
export function readWith<T>(read: (input: unknown) => T | undefined, message: string): Field<T> {
  return v.pipe(
    v.unknown(),
    v.rawTransform(({ dataset, addIssue, NEVER }) => {
      try {
        const result = read(dataset.value);
        if (result !== undefined) return result;
      } catch (error) {
        if (!(error instanceof CulvertError)) throw error;
      }
      addIssue({ message });
      return NEVER;
    }),
  );
}

/** A mapping of the document: no list, no date, no binary. */
export function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return Object.prototype.toString.call(value) === "[object Object]";
}
