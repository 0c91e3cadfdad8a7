import chartStyle from "./generated/chart.css" with { type: "text" };
import script from "./generated/page.js" with { type: "text" };
import icon from "./icon.svg" with { type: "text" };
import style from "./page.css" with { type: "text" };
import html from "./page.html" with { type: "text" };

/** A file of the live page. */
export interface PageAsset {
  /** Its media type. */
  readonly type: string;
  readonly text: string;
}

/** The files of the live page, by their path. They are part of the program: no permission is needed to read them. */
export const PAGE_ASSETS: ReadonlyMap<string, PageAsset> = new Map([
  ["/", { type: "text/html; charset=utf-8", text: html }],
  ["/page.css", { type: "text/css; charset=utf-8", text: `${chartStyle}\n${style}` }],
  ["/page.js", { type: "text/javascript; charset=utf-8", text: script }],
  ["/icon.svg", { type: "image/svg+xml", text: icon }],
]);
