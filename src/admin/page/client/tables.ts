/// <reference lib="dom" />
import type { CertificateStatus, CrlStatus } from "../../status/credentials.ts";
import type { ReloadStatus } from "../../status/reload.ts";
import { el } from "./dom.ts";
import { formatTime, isoDate } from "./format.ts";

const DAY_MS = 86_400_000;
/** A certificate is coloured from so many days before its end, and more so from `URGENT_DAYS`. */
const SOON_DAYS = 30;
const URGENT_DAYS = 7;
/** CRLs live shorter: the share of their life that is left. */
const CRL_SOON = 0.25;

/** How urgent something is. */
export type Urgency = "good" | "soon" | "bad";

/** A certificate or CRL with what is left of its life. */
export interface Expiry {
  readonly kind: "certificate" | "CRL";
  readonly name: string;
  readonly path: string;
  readonly usedBy: string;
  readonly end: string;
  readonly left: string;
  /** Why it cannot be used. */
  readonly problem?: string | undefined;
  readonly urgency: Urgency;
}

/** Certificates and CRLs, those that need attention first. */
export function expiries(
  certificates: readonly CertificateStatus[],
  crls: readonly CrlStatus[],
  nowMs: number,
): Expiry[] {
  const all = [
    ...certificates.map((each) => ofCertificate(each, nowMs)),
    ...crls.map((each) => ofCrl(each, nowMs)),
  ];
  const rank = { bad: 0, soon: 1, good: 2 };
  return all.sort((a, b) => rank[a.urgency] - rank[b.urgency]);
}

/** The table of certificates and CRLs. */
export function certificateTable(all: readonly Expiry[]): HTMLElement {
  if (all.length === 0) return el("p", { class: "count" }, "None are in use.");
  const rows = all.map(({ kind, name, path, usedBy, end, left, urgency, problem }) =>
    el(
      "tr",
      {},
      el("th", { scope: "row" }, name, el("span", { class: "sub" }, `${kind} ${path}, used by ${usedBy}`)),
      el("td", { class: "until" }, end),
      el(
        "td",
        {},
        el("span", { class: `badge ${urgency}` }, left),
        problem !== undefined && el("p", { class: "error" }, problem),
      ),
    )
  );
  return table(["Subject", "Until", "Left"], rows);
}

/** The table of reloads, the newest first. */
export function reloadTable(reloads: readonly ReloadStatus[]): HTMLElement {
  const rows = reloads.map(({ at, why, ok, generation, error, problems = [] }) => {
    const outcome = el(
      "td",
      {},
      el("span", { class: `badge ${ok ? "good" : "bad"}` }, ok ? `generation ${generation}` : "refused"),
    );
    if (problems.length > 0) {
      const lines = problems.map(({ path, line, expected, nearest }) =>
        el(
          "li",
          {},
          `${line === undefined ? "" : `line ${line}: `}${path || "file"}: expected ${expected}`,
          nearest !== undefined && `; did you mean ${nearest}?`,
        )
      );
      outcome.append(el("ul", { class: "each" }, ...lines));
    } else if (error !== undefined) {
      outcome.append(el("p", { class: "error" }, `${error.code}: ${error.message}`));
    }
    return el(
      "tr",
      {},
      el("th", { scope: "row" }, formatTime(Date.parse(at))),
      el("td", {}, why),
      outcome,
    );
  });
  return table(["Time", "Cause", "Outcome"], rows);
}

function table(titles: readonly string[], rows: readonly HTMLElement[]): HTMLElement {
  const head = el("tr", {}, ...titles.map((title) => el("th", { scope: "col" }, title)));
  return el("table", {}, el("thead", {}, head), el("tbody", {}, ...rows));
}

function ofCertificate(
  { subject, path, usedBy, notBefore, notAfter }: CertificateStatus,
  nowMs: number,
): Expiry {
  const days = (Date.parse(notAfter) - nowMs) / DAY_MS;
  const isEarly = Date.parse(notBefore) > nowMs;
  return {
    ...{ kind: "certificate", name: subject || "(no subject)", path, usedBy: usedBy.join(", ") },
    end: isoDate(new Date(notAfter)),
    left: isEarly ? "not valid yet" : leftOf(days),
    urgency: days < URGENT_DAYS || isEarly ? "bad" : days < SOON_DAYS ? "soon" : "good",
  };
}

function ofCrl(
  { issuer, path, usedBy, thisUpdate, nextUpdate, usable, problem }: CrlStatus,
  nowMs: number,
): Expiry {
  const common = { kind: "CRL" as const, name: issuer ?? "(not readable)", path, usedBy: usedBy.join(", ") };
  if (!usable) {
    return { ...common, end: nextUpdate?.slice(0, 10) ?? "–", left: "not usable", problem, urgency: "bad" };
  }
  if (nextUpdate === undefined) return { ...common, end: "–", left: "no end", urgency: "good" };
  const left = Date.parse(nextUpdate) - nowMs;
  const share = left / Math.max(1, Date.parse(nextUpdate) - Date.parse(thisUpdate!));
  const urgency = left <= 0 ? "bad" : share < CRL_SOON ? "soon" : "good";
  return { ...common, end: isoDate(new Date(nextUpdate)), left: leftOf(left / DAY_MS), urgency };
}

function leftOf(days: number): string {
  if (days <= 0) return "expired";
  if (days < 2) return `${Math.max(1, Math.floor(days * 24))} h`;
  return `${Math.floor(days)} days`;
}
