import type { DataPlane } from "../dataplane/data_plane.ts";
import { mergeSessions, type SessionQuery, type SessionsReport } from "../dataplane/open_sessions.ts";
import type { DataPlaneReport, UpstreamAvailability, UpstreamReport } from "../dataplane/report.ts";
import { addTraffic, type TrafficReport } from "../dataplane/traffic.ts";
import type { FailureReport } from "../service/failures.ts";
import type { Member } from "./member.ts";
import { mergeServices, mergeUpstreamLists, mergeUpstreams } from "./merge_reports.ts";
import type { Requests } from "./messages.ts";
import type { Workers } from "./workers.ts";

/** As many as one data plane keeps. */
const MAX_FAILURES = 100;

/** What the data planes of all threads report, as one report. A worker that has just failed is left out. */
export abstract class CombinedReports {
  /** That of the main thread. */
  protected abstract readonly local: DataPlane;
  /** Absent: there have been none. */
  protected abstract get members(): Workers | undefined;

  /** As of `DataPlane.report`. */
  async report(): Promise<DataPlaneReport> {
    const local = await this.local.report();
    if (this.members === undefined) return local;
    const reports = await Promise.all(this.carrying.map((member) => member.report()));
    return {
      services: mergeServices([
        ...reports.map(({ services }) => services),
        local.services,
        this.members.carried,
      ]),
      upstreams: mergeUpstreamLists([...reports.map(({ upstreams = [] }) => upstreams), local.upstreams]),
    };
  }

  /** As of `DataPlane.reportUpstream`. */
  async reportUpstream(name: string): Promise<UpstreamReport | undefined> {
    const reports = [...await this.#ask("report-upstream", name), await this.local.reportUpstream(name)];
    const [first, ...others] = reports.filter((report) => report !== undefined);
    return first && mergeUpstreams([first, ...others]);
  }

  /** As of `DataPlane.availability`: each thread knows it. */
  async availability(): Promise<readonly UpstreamAvailability[]> {
    for (const { thread } of this.members?.running ?? []) {
      try {
        return await thread.ask("availability", undefined);
      } catch {
        // It has just failed, and another one knows, too.
      }
    }
    return await this.local.availability();
  }

  /** As of `DataPlane.traffic`. */
  async traffic(): Promise<TrafficReport> {
    return addTraffic([await this.local.traffic(), ...await this.#ask("traffic", undefined)]);
  }

  /** As of `DataPlane.sessions`. The id of a connection in a worker begins with the number of the worker. */
  async sessions(query: SessionQuery = {}): Promise<SessionsReport> {
    const local = await this.local.sessions(query);
    const members = this.carrying;
    if (members.length === 0) return local;
    const reports = await Promise.all(members.map(async ({ number, thread }) => {
      const report = await thread.ask("sessions", query).catch(() => undefined);
      const sessions = report?.sessions.map((session) => ({ ...session, id: `${number}-${session.id}` })) ??
        [];
      return { total: 0, matched: 0, ...report, sessions };
    }));
    return mergeSessions([local, ...reports], query);
  }

  /** As of `DataPlane.closeSession`. */
  async closeSession(id: string): Promise<boolean> {
    const [number, own] = id.split("-", 2) as [string, string | undefined];
    if (own === undefined) return await this.local.closeSession(id);
    const members = this.carrying.filter((member) => String(member.number) === number);
    const closed = await Promise.all(
      members.map(({ thread }) => thread.ask("close-session", own).catch(() => false)),
    );
    return closed.includes(true);
  }

  /** As of `DataPlane.closeSessionsOf`. */
  async closeSessionsOf(upstream: string, backend: string): Promise<number | undefined> {
    const counts = [
      await this.local.closeSessionsOf(upstream, backend),
      ...await this.#ask("close-sessions", { upstream, backend }),
    ].filter((count) => count !== undefined);
    return counts.length === 0 ? undefined : counts.reduce((sum, count) => sum + count, 0);
  }

  /** As of `DataPlane.failures`. */
  async failures(): Promise<readonly FailureReport[]> {
    const lists = [await this.local.failures(), ...await this.#ask("failures", undefined)];
    return lists.flat().sort((a, b) => b.at - a.at).slice(0, MAX_FAILURES);
  }

  /** The workers that carry a snapshot. */
  protected get carrying(): readonly Member[] {
    return this.members?.carrying ?? [];
  }

  async #ask<T extends keyof Requests>(request: T, value: Requests[T][0]): Promise<Requests[T][1][]> {
    const answers = await Promise.all(
      this.carrying.map(({ thread }) => thread.ask(request, value).then((answer) => [answer], () => [])),
    );
    return answers.flat(1) as Requests[T][1][];
  }
}
