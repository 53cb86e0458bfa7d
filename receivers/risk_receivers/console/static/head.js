// What is seen first: the answer, the connection, and the same in the title and icon of the tab.
import { span } from "./clock.js";
import { byId, each, h, set, text } from "./dom.js";
import { icon, reshape } from "./icons.js";

const SHAPE = { stopped: "stopped", unknown: "unknown", alarm: "critical", caution: "warning", safe: "safe" };
const MOST_REASONS = 5;

export class Head {
  constructor() {
    this.favicon = byId("favicon");
    this.base = this.favicon.getAttribute("href").replace(/mark-\w+\.svg$/, "");
    this.mark = icon("unknown");
    byId("verdict-mark").append(this.mark);
    this.verdict = byId("verdict");
    this.connection = byId("connection");
  }

  render({ verdict, sources, live, openCount }) {
    const { level, title, line, reasons } = verdict;
    set(this.verdict, { "data-level": level });
    reshape(this.mark, SHAPE[level]);
    text(byId("verdict-title"), title);
    text(byId("verdict-line"), line);
    const shown = reasons.slice(0, MOST_REASONS);
    if (reasons.length > shown.length) shown.push({ text: `and ${reasons.length - shown.length} more`, href: "#alerts", level: "caution" });
    each(byId("verdict-reasons"), shown, (one) => one.href + one.text, makeReason, (made, one) => set(made.node, { "data-level": one.level }));
    set(this.favicon, { href: `${this.base}mark-${level}.svg` });
    const number = openCount ? `(${openCount}) ` : "";
    const wanted = `${number}${title} · Riskwarden`;
    if (document.title !== wanted) document.title = wanted;
    this.#connection(sources.status, live);
  }

  #connection(status, live) {
    const state = !status.data ? "unknown" : !status.isFresh ? "lost" : live ? "live" : "polling";
    set(this.connection, { "data-state": state });
    const age = status.at ? `${span(status.age)} old` : "";
    const words = {
      unknown: status.error ? status.error.message : "Connecting",
      lost: `No connection, data ${age}`,
      live: `Live, data ${age}`,
      polling: `Asking every few seconds, data ${age}`,
    };
    text(byId("connection-text"), words[state]);
  }
}

function makeReason(one) {
  return { node: h("li", {}, h("a", { href: one.href }, one.text)) };
}
