// The limits: a bar for each that shows how far it is to the next threshold. Accounts first, then
// the worst. While the kill switch is tripped over everything they stand as they stood at the trip.
import { ApiError, get } from "./api.js";
import { agoSince, local, now, utc } from "./clock.js";
import { byId, each, h, s, set, show, text } from "./dom.js";
import { icon, reshape } from "./icons.js";
import { measuresOf } from "./model.js";
import { capital, distance, quantity } from "./words.js";

const FIRST = 12;
// Milliseconds until it is asked again what they stood at when the kill switch was tripped.
const AGAIN = 10_000;
// Milliseconds from the trip by which values may be off that count as those of the trip.
const SAME_TIME = 3000;

export class Limits {
  constructor() {
    this.all = false;
    this.frozen = null; // {killId, at, limits: null until they are known, why}
    this.live = false;
    byId("limits-more").addEventListener("click", () => {
      this.all = !this.all;
      this.render(this.view);
    });
    byId("limits-frozen").addEventListener("click", () => {
      this.live = !this.live;
      this.render(this.view);
    });
  }

  render(view) {
    this.view = view;
    const { metrics, status } = view.sources;
    this.#freeze(status, metrics);
    const rows = [...(this.showsFrozen ? this.frozen.limits : (metrics.data?.limits ?? []))].sort(order);
    text(byId("limits-none"), metrics.data ? "No limit is being measured." : (metrics.error?.message ?? "Nothing is known yet."));
    show(byId("limits-none"), rows.length === 0);
    const stale = !metrics.isFresh && !this.showsFrozen;
    each(byId("limits"), this.all ? rows : rows.slice(0, FIRST), (one) => one.key, make, (made, one) => update(made, one, stale));
    const more = byId("limits-more");
    show(more, rows.length > FIRST);
    text(more, this.all ? "Show fewer" : `Show all ${rows.length}`);
    this.#note();
  }

  get showsFrozen() {
    return Boolean(this.frozen?.limits) && !this.live;
  }

  /** How old what is shown is, in milliseconds; null where that is as old as what was heard last. */
  get frozenAge() {
    return this.showsFrozen ? now() - Date.parse(this.frozen.at) : null;
  }

  /** As they stood at the trip, whenever the page was opened; until that is known, live ones that say so. */
  #freeze(status, metrics) {
    const kill = (status.data?.kill_switch.kills ?? []).find((one) => one.scope === "*");
    if (!kill) {
      if (status.isFresh) this.frozen = null;
      this.live = this.live && this.frozen !== null;
      return;
    }
    if (this.frozen?.killId === kill.kill_id) return;
    const at = kill.since ?? new Date(now()).toISOString();
    // Whoever had the page open at the trip saw them then.
    const wereSeen = metrics.isFresh && Math.abs(now() - metrics.age - Date.parse(at)) < SAME_TIME;
    this.frozen = { killId: kill.kill_id, limits: wereSeen ? metrics.data.limits : null, at, why: "" };
    this.live = false;
    this.#ask(this.frozen);
  }

  async #ask(frozen) {
    try {
      frozen.limits = measuresOf(await get(`/api/v1/metrics/current?at=${encodeURIComponent(frozen.at)}`)).limits;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      frozen.why = error.message;
      setTimeout(() => this.frozen === frozen && this.#ask(frozen), Math.max(AGAIN, error.retryAfter * 1000));
    }
    this.render(this.view);
  }

  #note() {
    const note = byId("limits-note");
    const button = byId("limits-frozen");
    show(note, this.frozen !== null);
    show(button, Boolean(this.frozen?.limits));
    if (!this.frozen) return;
    set(note, { title: utc(this.frozen.at), "data-live": !this.showsFrozen });
    text(note, this.#noteWords(this.frozen));
    text(button, this.live ? "Show frozen values" : "Show live values");
  }

  #noteWords({ at, limits, why }) {
    if (!limits) return `Live values. What they were at ${local(at)}, when the kill switch was tripped, is not known${why ? `: ${why}` : " yet."}`;
    return this.live ? "Live values; the kill switch is still tripped." : `Frozen at ${local(at)}, when the kill switch was tripped: as Prometheus had measured them last. An alert that tripped it tells its own value.`;
  }
}

const order = (a, b) => b.isAccount - a.isAccount || b.pressure - a.pressure || (a.key < b.key ? -1 : 1);

function make() {
  const made = {
    mark: icon("safe"),
    name: h("span", { class: "limit-name" }),
    about: h("span", { class: "limit-about" }),
    value: h("span", { class: "limit-value" }),
    next: h("p", { class: "limit-next" }),
    zones: s("g", {}),
    fill: s("rect", { class: "limit-fill", x: 0, y: 3, height: 6, rx: 3 }),
    ticks: s("g", {}),
  };
  made.bar = s("svg", { class: "limit-bar", width: "100%", height: 12, "aria-hidden": "true" }, made.zones, made.fill, made.ticks);
  made.meter = h("div", { class: "limit-meter", role: "meter" }, made.bar);
  made.node = h(
    "div",
    { class: "limit" },
    h("p", { class: "limit-head" }, made.mark, made.name, made.about, made.value),
    made.meter,
    made.next,
  );
  return made;
}

function update(made, one, stale) {
  const unknown = stale || one.stale || one.value === null;
  const level = unknown ? "unknown" : one.tier || "safe";
  set(made.node, { "data-level": level });
  reshape(made.mark, level);
  text(made.name, capital(one.name));
  text(made.about, one.about);
  text(made.value, quantity(one.value, one.unit));
  text(made.next, unknown ? `${whyUnknown(one, stale)} ${nextWords(one)}`.trim() : nextWords(one));
  const percent = (value) => `${(Math.min(Math.max(place(one, value), 0), 1) * 100).toFixed(2)}%`;
  set(made.fill, { width: one.value === null ? "0%" : percent(one.value) });
  const bounds = one.thresholds.map((threshold) => ({ ...threshold, at: percent(threshold.value) }));
  const key = bounds.map((bound) => bound.tier + bound.at).join();
  if (made.drawn !== key) {
    made.drawn = key;
    made.ticks.replaceChildren(...bounds.map((bound) => s("line", { class: `limit-tick ${bound.tier}`, x1: bound.at, x2: bound.at, y1: 0, y2: 12 })));
    made.zones.replaceChildren(
      s("rect", { class: "limit-track", x: 0, y: 3, width: "100%", height: 6, rx: 3 }),
      ...bounds.map((bound, index) => {
        const end = index + 1 < bounds.length ? bounds[index + 1].at : "100%";
        return s("rect", { class: `limit-zone ${bound.tier}`, x: bound.at, y: 3, width: `${parseFloat(end) - parseFloat(bound.at)}%`, height: 6 });
      }),
    );
  }
  set(made.meter, {
    "aria-label": `${one.name}, ${one.about}`,
    "aria-valuemin": 0,
    "aria-valuemax": 100,
    "aria-valuenow": one.value === null ? 0 : Math.round(parseFloat(percent(one.value))),
    "aria-valuetext": `${quantity(one.value, one.unit)}. ${made.next.textContent}`,
  });
}

function whyUnknown(one, stale) {
  if (!stale && !one.stale) return "It has no value at the moment.";
  return one.at && one.stale ? `Stale: reported last ${agoSince(one.at)}.` : "Stale: nobody says what it is now.";
}

function nextWords(one) {
  if (one.value === null) return "";
  const reached = one.tier ? `Past ${one.tier} (${quantity(bound(one, one.tier), one.unit)})` : "";
  if (!one.next) return reached ? `${reached}; there is no worse threshold.` : "It has no threshold.";
  const ahead = `${distance(one.value, one.next.value, one.unit)} to ${one.next.tier} (${quantity(one.next.value, one.unit)})`;
  return reached ? `${reached}; ${ahead}` : ahead;
}

const bound = (one, tier) => one.thresholds.find((threshold) => threshold.tier === tier)?.value;

/** Where a value stands on the bar: 0 on its left end, 1 on its right, which is the worse one. */
function place(one, value) {
  const bounds = one.thresholds.map((threshold) => threshold.value);
  const worst = bounds.at(-1);
  if (!worst) return 0;
  if (one.side === "above" || worst < 0) return value / (worst * 1.15);
  const from = bounds[0] * 2; // the less, the worse: twice what is asked for is far away
  const to = worst * 0.85;
  return (from - value) / (from - to);
}
