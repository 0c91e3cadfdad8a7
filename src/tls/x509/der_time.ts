import { type DerNode, unreadable } from "./der.ts";
import { latin1 } from "../../core/latin1.ts";

const UTC_TIME = 0x17;
const GENERALIZED_TIME = 0x18;
const MAX_LENGTH = 32;
const UTC_FORM = /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/;
const GENERALIZED_FORM = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/;
/** Two digits below this are of the year 20xx: RFC 5280 section 4.1.2.5.1. */
const FIRST_YEAR = 50;

/**
 * The moment that a time names, in milliseconds: RFC 5280 section 4.1.2.5. As OpenSSL does, it takes only the forms
 * that this allows: in Greenwich Mean Time (`Z`), with seconds, and without fractions of seconds.
 *
 * @throws {CulvertError} `bad_certificate` for any other; its message says that `what` cannot be read.
 */
export function timeOfNode(node: DerNode, what = "certificate"): number {
  const { tag } = node;
  if (tag !== UTC_TIME && tag !== GENERALIZED_TIME) throw unreadable("a time has an unexpected type", what);
  const octets = node.content(tag);
  if (octets.length > MAX_LENGTH) throw unreadable("a time is malformed", what);
  const match = (tag === UTC_TIME ? UTC_FORM : GENERALIZED_FORM).exec(latin1(octets));
  if (match === null) {
    throw unreadable("a time is not in the form of RFC 5280: in whole seconds, ending with Z", what);
  }
  const [digits, month, day, hour, minute, second] = match.slice(1).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const year = tag === UTC_TIME ? digits + (digits < FIRST_YEAR ? 2000 : 1900) : digits;
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  date.setUTCHours(hour, minute, second);
  // A month 13 or an hour 24 would go on into the next.
  const isSame = date.getUTCMonth() === month - 1 && date.getUTCDate() === day &&
    date.getUTCHours() === hour &&
    date.getUTCMinutes() === minute && date.getUTCSeconds() === second;
  if (!isSame) throw unreadable("a time does not exist", what);
  return date.getTime();
}
