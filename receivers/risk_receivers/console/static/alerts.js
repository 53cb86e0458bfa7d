// The list of alerts: what each is about, how it stands, and what somebody can do about it here.
import { agoSince, local, showTime, span, now } from "./clock.js";
import { byId, each, h, set, show, text } from "./dom.js";
import { icon, reshape } from "./icons.js";
import { byUrgency, FIRST_ALERTS, LATEST_ALERTS, MORE_ALERTS, MOST_ALERTS, openCount } from "./model.js";
import { capital, count, digits, isOpen, plain, severityOf, STATES } from "./words.js";

const SHOWN = { open: "Open", all: "Recent" };
const NONE = { open: "No alert is open.", all: "No alert was ever raised." };
const NONE_THEN = { open: "No alert was open when this was heard of last.", all: "No alert had been raised when this was heard of last." };

export class Alerts {
  /** `acts`: acknowledge, giveBack and comment, each of an alert; `more` asks for so many that are open. */
  constructor(acts) {
    this.acts = acts;
    this.shown = "open";
    this.most = FIRST_ALERTS;
    const group = byId("alerts-shown");
    for (const [value, name] of Object.entries(SHOWN)) group.append(...choice("alerts-shown", value, name, value === this.shown));
    group.addEventListener("change", (event) => {
      this.shown = event.target.value;
      this.most = FIRST_ALERTS;
      this.again?.();
    });
    byId("alerts-more").addEventListener("click", () => {
      this.most = Math.min(this.most + MORE_ALERTS, MOST_ALERTS);
      if (this.shown === "open") this.acts.more(Math.min(this.most + MORE_ALERTS, MOST_ALERTS));
      this.again?.();
    });
  }

  render(view) {
    this.again = () => this.render(view);
    const { sources, session } = view;
    const source = this.shown === "open" ? sources.open : sources.alerts;
    this.listed = new Set((sources.open.data?.alerts ?? []).map((one) => one.id));
    const rows = sorted(source.data?.alerts ?? [], this.shown);
    const none = !source.data ? (source.error?.message ?? "Nothing is known yet.") : source.isFresh ? NONE[this.shown] : NONE_THEN[this.shown];
    const all = this.shown === "open" && source.data ? openCount(source.data) : rows.length;
    const hidden = all - Math.min(rows.length, this.most);
    const isFull = this.most >= MOST_ALERTS;
    text(byId("alerts-none"), rows.length && isFull ? `${count(hidden, "more alert")} not shown; riskwarden status and the API tell of all.` : none);
    show(byId("alerts-none"), rows.length === 0 || (isFull && hidden > 0));
    const more = byId("alerts-more");
    const wasOnMore = document.activeElement === more;
    show(more, rows.length > 0 && hidden > 0 && !isFull);
    text(more, `Show more (${digits(hidden)} not shown)`);
    const may = session?.permissions?.includes("acknowledge") ?? false;
    const held = byId("alert-list").contains(document.activeElement);
    each(byId("alert-list"), rows.slice(0, this.most), (one) => one.id, (one) => this.#make(one), (made, one) => update(made, one, may));
    if (held && !byId("alert-list").contains(document.activeElement)) byId("alerts").focus({ preventScroll: true });
    // Whoever asked for the last of them is there, and not back at the top of the page.
    if (wasOnMore && more.hidden) (byId("alert-list").lastElementChild ?? byId("alerts")).focus({ preventScroll: true });
  }

  /** Bring the row of an alert into view and give it the focus, among those that are over if need be. */
  reveal(id) {
    if (!document.getElementById(rowId(id))) {
      const isListed = this.listed?.has(id) ?? false;
      this.shown = isListed ? "open" : "all";
      this.most = isListed ? Math.max(this.most, this.listed.size) : LATEST_ALERTS;
      byId("alerts-shown").querySelector(`[value=${this.shown}]`).checked = true;
      this.again?.();
    }
    const row = document.getElementById(rowId(id));
    row?.scrollIntoView({ block: "center" });
    row?.focus({ preventScroll: true });
  }

  #make(alert) {
    const made = {
      alert,
      mark: icon("info"),
      severity: h("span", {}),
      title: h("span", {}),
      about: h("span", { class: "alert-about" }),
      line: h("p", { class: "alert-line" }),
      acked: h("p", { class: "alert-acked" }),
      state: h("span", { class: "chip" }),
      time: h("time", {}),
      ago: h("span", {}),
    };
    const act = (what) => ({ click: () => this.acts[what](made.alert) });
    made.ack = h("button", { type: "button", on: act("acknowledge") }, "Acknowledge");
    made.unack = h("button", { type: "button", on: act("giveBack") }, "Give back");
    made.comment = h("button", { type: "button", class: "quiet", on: act("comment") }, "Comment");
    made.runbook = h("a", { class: "runbook", target: "_blank", rel: "noopener noreferrer" }, "Runbook");
    made.node = h(
      "li",
      { class: "alert", id: rowId(alert.id), tabindex: "-1" },
      h("p", { class: "alert-severity" }, made.mark, made.severity),
      h("div", { class: "alert-main" }, h("h3", {}, made.title, " ", made.about), made.line, made.acked),
      h("p", { class: "alert-when" }, made.state, h("span", { class: "alert-time" }, made.time, " · ", made.ago)),
      h("div", { class: "alert-acts" }, made.ack, made.unack, made.comment, made.runbook),
    );
    return made;
  }
}

const rowId = (id) => `alert-${id}`;

/** What is open and urgent first, then the newest. */
function sorted(alerts, shown) {
  return shown === "open" ? [...alerts].sort(byUrgency) : alerts;
}

function update(made, alert, may) {
  made.alert = alert;
  const severity = severityOf(alert);
  const open = isOpen(alert);
  set(made.node, { "data-severity": severity, "data-open": open, "data-state": alert.state });
  reshape(made.mark, severity);
  text(made.severity, severity);
  text(made.title, capital(plain(alert.alertname)));
  text(made.about, alert.risk_id);
  text(made.line, alert.annotations?.description ?? alert.annotations?.summary ?? "");
  const { acknowledged } = alert;
  text(made.acked, acknowledged ? `${acknowledged.author}, until ${localUntil(acknowledged.until)}: ${acknowledged.comment}` : "");
  show(made.acked, Boolean(acknowledged));
  text(made.state, STATES[alert.state] ?? plain(alert.state));
  showTime(made.time, alert.starts_at);
  text(made.ago, open || !alert.ends_at ? agoSince(alert.starts_at) : `for ${span(Date.parse(alert.ends_at) - Date.parse(alert.starts_at))}`);
  const name = `${plain(alert.alertname)}, ${alert.risk_id}`;
  const focused = document.activeElement;
  show(made.ack, may && open && !acknowledged);
  show(made.unack, may && Boolean(acknowledged));
  // Whoever works by keyboard stays where they were: on the button that takes back what they did.
  if ((focused === made.ack || focused === made.unack) && focused.hidden) ([made.unack, made.ack].find((one) => !one.hidden) ?? made.comment).focus({ preventScroll: true });
  text(made.comment, may ? "Comment" : "History");
  set(made.ack, { "aria-label": `Acknowledge ${name}` });
  set(made.unack, { "aria-label": `Give back ${name}` });
  set(made.comment, { "aria-label": may ? `Comment on ${name}` : `History of ${name}` });
  const runbook = `/runbooks/${encodeURIComponent(alert.alertname)}`;
  set(made.runbook, { href: runbook, "aria-label": `Runbook of ${plain(alert.alertname)}` });
}

function localUntil(iso) {
  const left = Date.parse(iso) - now();
  return `${local(iso, { seconds: false })} (${left > 0 ? `${span(left)} left` : "over"})`;
}

/** A radio button that looks like a part of a switch. */
export function choice(group, value, name, checked) {
  const id = `${group}-${value}`;
  return [h("input", { type: "radio", name: group, id, value, checked }), h("label", { for: id }, name)];
}
