/// <reference lib="dom" />
import type { LiveView } from "../../live/live_view.ts";
import { fetchAccess, order } from "./api.ts";
import { openBackend } from "./backend_dialog.ts";
import { Charts } from "./charts.ts";
import { Connections } from "./connections.ts";
import { confirm } from "./dialog.ts";
import { byId, el, setText } from "./dom.ts";
import { Failures } from "./failures.ts";
import { Flow } from "./flow.ts";
import { formatDuration } from "./format.ts";
import { Store } from "./store.ts";
import { LiveStream, type StreamState } from "./stream.ts";
import { certificateTable, expiries, reloadTable } from "./tables.ts";
import { followTheme } from "./theme.ts";

/** The page: shows what the store has, and has the server do what is asked for. */
class Page {
  readonly #store = new Store();
  readonly #charts = new Charts(byId("charts"));
  readonly #flow = new Flow(byId("flow"), {
    store: this.#store,
    onBackend: (upstream, address) => this.#openBackend(upstream, address),
  });
  readonly #failures = new Failures(byId("failures"));
  readonly #pause = byId<HTMLButtonElement>("pause");
  readonly #logLevel = byId<HTMLSelectElement>("log-level");
  readonly #shown = new Map<string, string>();
  #stream: StreamState = "connecting";
  #lostAtMs = 0;
  #canWrite = false;
  #identity = "";

  start(): void {
    followTheme(byId<HTMLSelectElement>("theme"), () => this.#charts.restyle());
    new Connections(byId("connections"), () => this.#isPaused);
    this.#pause.addEventListener("click", () => {
      const paused = !this.#isPaused;
      this.#pause.setAttribute("aria-pressed", String(paused));
      setText(this.#pause, paused ? "Resume" : "Pause");
      this.#show();
    });
    byId("reload").addEventListener("click", () => this.#reload());
    this.#logLevel.addEventListener("change", () => this.#setLogLevel());
    new LiveStream({
      onSnapshot: (data) => {
        this.#store.snapshot(data);
        void this.#askAccess();
        this.#show();
      },
      onDelta: (data) => {
        this.#store.delta(data);
        this.#show();
      },
      onState: (state) => this.#setStream(state),
    });
    setInterval(() => this.#showState(), 1000);
    this.#showState();
  }

  get #isPaused(): boolean {
    return this.#pause.getAttribute("aria-pressed") === "true";
  }

  /** Whether what is shown is old. */
  get #isLost(): boolean {
    return this.#stream === "lost" || this.#stream === "refused";
  }

  #setStream(state: StreamState): void {
    if (state === "lost" && !this.#isLost) this.#lostAtMs = Date.now();
    if (state !== this.#stream) this.#store.forgetRates();
    this.#stream = state;
    this.#showState();
  }

  async #askAccess(): Promise<void> {
    try {
      const { access, identity } = await fetchAccess();
      this.#canWrite = access === "write";
      this.#identity = identity === undefined ? "" : `, as ${identity}`;
      document.body.classList.toggle("writes", this.#canWrite);
    } catch {
      // The stream says that the program is gone.
    }
  }

  #show(): void {
    const { view, columns } = this.#store;
    if (view === undefined || this.#isPaused) return;
    this.#showState();
    this.#charts.update(columns);
    this.#flow.update(view);
    this.#failures.update(view.failures);
    const all = expiries(view.certificates, view.crls, Date.now());
    this.#replace("certificates", all, () => certificateTable(all));
    this.#replace("reloads", view.reloads, () => reloadTable(view.reloads));
    if (document.activeElement !== this.#logLevel) this.#logLevel.value = view.program.logLevel;
  }

  /** Replaces the content of an element when what it shows has changed. */
  #replace(id: string, value: unknown, make: () => HTMLElement): void {
    const text = JSON.stringify(value);
    if (this.#shown.get(id) === text) return;
    this.#shown.set(id, text);
    byId(id).replaceChildren(make());
  }

  #showState(): void {
    const { view } = this.#store;
    const state = byId("state");
    const [text, kind] = this.#stateText(view);
    setText(state, text);
    state.className = `state ${kind}`;
    document.body.classList.toggle("stale", this.#isLost);
    document.title = this.#isLost ? "Culvert (no connection)" : `Culvert (${text.toLowerCase()})`;
    const { version, pid, startedAt } = view?.program ?? {};
    const uptime = startedAt === undefined ? "" : formatDuration((Date.now() - Date.parse(startedAt)) / 1000);
    const process = pid === undefined ? "" : `, process ${pid}`;
    setText(
      byId("facts"),
      version === undefined ? "" : `version ${version}${process}, up for ${uptime}${this.#identity}`,
    );
    const notices = view === undefined ? [] : noticesOf(view);
    const lost = this.#isLost ? [this.#lostText()] : [];
    const all = [...lost, ...notices];
    this.#replace(
      "notices",
      all,
      () => el("ul", { hidden: all.length === 0 }, ...all.map((notice) => el("li", {}, notice))),
    );
  }

  #stateText(view: LiveView | undefined): readonly [text: string, kind: string] {
    if (this.#isLost) return ["No connection", "bad"];
    if (view === undefined) return ["Connecting", "idle"];
    const { state, unready } = view.program;
    if (state !== "ready") return [state === "draining" ? "Draining" : state, "soon"];
    return unready.length === 0 ? ["Ready", "good"] : ["Not ready", "bad"];
  }

  #lostText(): string {
    const seconds = Math.floor((Date.now() - this.#lostAtMs) / 1000);
    const what = this.#store.view === undefined ? "" : " What is shown is the last that was known.";
    const fault = this.#stream === "refused"
      ? "The program sends this page no events: there are too many viewers, or this one is not allowed any more."
      : `The program does not answer, for ${formatDuration(seconds)}.`;
    return `${fault}${what} The page connects again by itself.`;
  }

  #openBackend(upstream: string, address: string): void {
    const view = this.#store.view?.upstreams[upstream]?.backends[address];
    if (view !== undefined) openBackend({ upstream, address, view, canWrite: this.#canWrite });
  }

  #reload(): void {
    confirm("Reload configuration", {
      label: "Reload",
      consequence: () =>
        "The configuration file and the certificates are read again. Open connections go on.",
      run: () => order({ method: "POST", path: "/api/reload" }),
    });
  }

  #setLogLevel(): void {
    const level = this.#logLevel.value;
    const dialog = byId<HTMLDialogElement>("dialog");
    const before = this.#store.view?.program.logLevel ?? "info";
    dialog.addEventListener("close", () => {
      this.#logLevel.value = this.#store.view?.program.logLevel ?? before;
    }, { once: true });
    confirm("Log level", {
      label: `Log at level ${level}`,
      consequence: () => `The log has lines of level ${level} and above, until the next reload.`,
      run: () => order({ method: "PUT", path: "/api/log/level", body: { level } }),
    });
  }
}

/** What needs attention now, in sentences. */
function noticesOf({ program, certificates, crls, reloads }: LiveView): string[] {
  const expiring = expiries(certificates, crls, Date.now()).filter(({ urgency }) => urgency === "bad");
  const [last] = reloads;
  return [
    ...program.unready.map((reason) => `Not ready: ${reason}.`),
    ...(last === undefined || last.ok
      ? []
      : ["The last reload was refused; the previous configuration is in use."]),
    ...expiring.map(({ kind, name, left }) => `The ${kind} ${name} needs attention: ${left}.`),
  ];
}

new Page().start();
