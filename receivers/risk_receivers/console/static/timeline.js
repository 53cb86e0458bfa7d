// Alerts over time, a lane for each severity: a bar from the beginning to the end, a mark at the
// beginning. One mark is reached by Tab, the others by the arrow keys; Enter goes to its row.
import { local, now, span, tickName } from "./clock.js";
import { byId, s, text } from "./dom.js";
import { mark } from "./icons.js";
import { choice } from "./alerts.js";
import { isCut, openCount } from "./model.js";
import { count, covers, isOpen, plain, rank, SEVERITIES, severityOf } from "./words.js";

const SPANS = { 1: "1 h", 6: "6 h", 24: "24 h" };
const HINT = "Select a mark with the arrow keys or the pointer.";
const HOUR = 3_600_000;
const LANE = 22;
const AXIS = 20;
const LEFT = 76;
const RIGHT = 12;
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 240, 360].map((minutes) => minutes * 60_000);

export class Timeline {
  /** `reveal(id)` shows the row of an alert. */
  constructor(reveal) {
    this.reveal = reveal;
    this.hours = 6;
    this.node = byId("timeline");
    this.said = byId("timeline-said");
    this.current = null;
    this.drawn = "";
    const group = byId("timeline-span");
    for (const [value, name] of Object.entries(SPANS)) group.append(...choice("timeline-span", value, name, Number(value) === this.hours));
    group.addEventListener("change", (event) => {
      this.hours = Number(event.target.value);
      this.render(this.view);
    });
    this.node.addEventListener("keydown", (event) => this.#key(event));
    this.node.addEventListener("focusin", (event) => this.#select(event.target));
    this.node.addEventListener("pointerover", (event) => this.#tell(event.target));
    this.node.addEventListener("click", (event) => this.#go(event.target));
    this.width = 0;
    new ResizeObserver(([{ contentRect }]) => {
      this.width = Math.floor(contentRect.width); // told, not asked for: to ask would lay the page out at every drawing
      this.render(this.view);
    }).observe(this.node);
  }

  render(view) {
    if (!view) return;
    this.view = view;
    const { sources } = view;
    const { width } = this;
    const end = now();
    const start = end - this.hours * HOUR;
    const alerts = inSpan(sources, start);
    this.hint = sources.open.data && isCut(sources.open.data) ? `Shown are the worst of ${count(openCount(sources.open.data), "open alert")}, and the latest. ${HINT}` : HINT;
    const kills = (sources.status.data?.kill_switch.kills ?? []).filter((one) => one.since && Date.parse(one.since) > start);
    // Drawn anew when something moved by a pixel, not at every tick.
    const step = (end - start) / Math.max(width, 1);
    const key = JSON.stringify([width, this.hours, Math.floor(end / step), alerts.map((one) => [one.id, one.severity, one.state]), kills.length]);
    if (key === this.drawn || width === 0) return;
    this.drawn = key;
    this.#draw({ width, start, end, alerts, kills });
  }

  #draw({ width, start, end, alerts, kills }) {
    const lanes = SEVERITIES.filter((one) => one !== "debug" || alerts.some((alert) => severityOf(alert) === "debug"));
    const height = lanes.length * LANE + AXIS;
    const x = (time) => LEFT + ((Math.min(Math.max(time, start), end) - start) / (end - start)) * (width - LEFT - RIGHT);
    const hadFocus = this.node.contains(document.activeElement);
    const svg = s("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "group", "aria-labelledby": "timeline-title" });
    lanes.forEach((severity, index) => {
      const y = index * LANE + LANE / 2;
      svg.append(
        s("line", { class: "lane", x1: LEFT, x2: width - RIGHT, y1: y, y2: y }),
        s("text", { class: "lane-name", x: LEFT - 10, y: y + 4, "text-anchor": "end", "aria-hidden": "true" }, severity),
      );
    });
    this.#axis(svg, { start, end, x, top: lanes.length * LANE, width });
    for (const kill of kills) {
      const at = x(Date.parse(kill.since));
      const title = s("title", {}, `Kill switch tripped for ${covers(kill.scope)}`);
      svg.append(s("g", { class: "kill-mark" }, title, s("line", { x1: at, x2: at, y1: 0, y2: lanes.length * LANE })));
    }
    const marks = alerts.map((alert) => {
      const y = lanes.indexOf(severityOf(alert)) * LANE + LANE / 2;
      const from = x(Date.parse(alert.starts_at));
      const to = isOpen(alert) || !alert.ends_at ? x(end) : x(Date.parse(alert.ends_at));
      return s(
        "g",
        { class: "event", role: "button", tabindex: "-1", "data-id": alert.id, "data-severity": severityOf(alert), "data-open": isOpen(alert), "aria-label": words(alert) },
        s("rect", { class: "event-bar", x: from, y: y - 3, width: Math.max(to - from, 2), height: 6, rx: 3 }),
        s("g", { class: "event-mark", transform: `translate(${from} ${y})` }, mark(severityOf(alert), 13)),
      );
    });
    svg.append(...marks);
    this.alerts = new Map(alerts.map((one) => [one.id, one]));
    if (!this.alerts.has(this.current)) this.current = alerts.at(-1)?.id ?? null;
    this.node.replaceChildren(svg);
    this.#mark()?.setAttribute("tabindex", "0");
    if (hadFocus) this.#mark()?.focus({ preventScroll: true });
    if (!alerts.length) text(this.said, `No alert in the last ${this.hours === 1 ? "hour" : `${this.hours} hours`}.`);
    else if (/^(No alert|Shown are|Select a)/.test(this.said.textContent)) text(this.said, this.hint);
  }

  #axis(svg, { start, end, x, top, width }) {
    const most = Math.max(2, Math.floor((width - LEFT) / 64));
    const step = STEPS.find((one) => (end - start) / one <= most) ?? STEPS.at(-1);
    const zone = new Date(end).getTimezoneOffset() * 60_000;
    for (let at = Math.ceil((start - zone) / step) * step + zone; at <= end; at += step) {
      const place = x(at);
      if (place > width - 20 || place < LEFT + 4) continue;
      svg.append(
        s("line", { class: "tick", x1: place, x2: place, y1: 0, y2: top }),
        s("text", { class: "tick-name", x: place, y: top + 15, "text-anchor": "middle", "aria-hidden": "true" }, tickName(at)),
      );
    }
  }

  #mark() {
    return [...this.node.querySelectorAll(".event")].find((one) => one.dataset.id === this.current) ?? null;
  }

  #key(event) {
    const marks = [...this.node.querySelectorAll(".event")];
    const index = marks.findIndex((one) => one.dataset.id === this.current);
    const moves = { ArrowRight: index + 1, ArrowLeft: index - 1, ArrowUp: index - 1, ArrowDown: index + 1, Home: 0, End: marks.length - 1 };
    if (event.key in moves) {
      event.preventDefault();
      marks[Math.min(Math.max(moves[event.key], 0), marks.length - 1)]?.focus();
    } else if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      this.#go(event.target);
    }
  }

  #select(target) {
    const chosen = target.closest(".event");
    if (!chosen) return;
    this.#mark()?.setAttribute("tabindex", "-1");
    this.current = chosen.dataset.id;
    chosen.setAttribute("tabindex", "0");
    this.#tell(chosen);
  }

  #tell(target) {
    const alert = this.alerts?.get(target.closest?.(".event")?.dataset.id);
    if (alert) text(this.said, words(alert));
  }

  #go(target) {
    const chosen = target.closest(".event");
    if (chosen) this.reveal(chosen.dataset.id);
  }
}

function inSpan(sources, start) {
  const all = new Map();
  for (const source of [sources.alerts, sources.open]) for (const one of source.data?.alerts ?? []) all.set(one.id, one);
  return [...all.values()]
    .filter((one) => rank(severityOf(one)) < SEVERITIES.length && (isOpen(one) || Date.parse(one.ends_at ?? one.starts_at) > start))
    .sort((a, b) => Date.parse(a.starts_at) - Date.parse(b.starts_at));
}

function words(alert) {
  const began = Date.parse(alert.starts_at);
  const lasted = isOpen(alert) ? `open for ${span(now() - began)}` : `lasted ${span(Date.parse(alert.ends_at ?? alert.starts_at) - began)}`;
  return `${local(alert.starts_at)} ${severityOf(alert)}: ${plain(alert.alertname)}, ${alert.risk_id}, ${lasted}`;
}
