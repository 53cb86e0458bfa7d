// What a screen reader is told: politely of alerts, at once of a trip. Only of what is new, and in a
// storm a few words now and then: whoever listens to a thousand alerts hears none.
import { byId, h } from "./dom.js";
import { isCut, MOST_ALERTS, openCount } from "./model.js";
import { count, covers, isAcknowledged, isOpen, plain, rank, severityOf } from "./words.js";

const LONGEST = 3;
// Milliseconds between two things that nobody here has asked for.
const GAP = 5000;
// Of a list that is cut off, so many alerts are remembered: a page stays open for weeks.
const MOST_KNOWN = 2 * MOST_ALERTS;

export class Announcer {
  constructor() {
    this.polite = byId("polite");
    this.assertive = byId("assertive");
    this.known = null;
    this.latest = ""; // when the latest began to be known here
    this.number = 0;
    this.wasCut = false;
    this.reach = -1; // as long as nobody has taken it on, all that is worse than this is known here
    this.kills = null;
    this.level = null;
    this.saidAt = -Infinity;
    this.timer = 0;
    this.#forget();
  }

  /** Since this was told last. */
  #forget() {
    this.news = new Map();
    this.over = 0;
    this.notes = [];
    this.answer = "";
  }

  alerts(open) {
    if (!open.isFresh) return;
    const alerts = new Map(open.data.alerts.map((one) => [one.id, one]));
    const [number, cut] = [openCount(open.data), isCut(open.data)];
    const inPart = cut || this.wasCut;
    if (this.known) {
      for (const one of alerts.values()) this.#note(one, inPart);
      const gone = [...this.known.keys()].filter((id) => !alerts.has(id));
      if (!cut) for (const id of gone) this.news.delete(id);
      // Of a list that is cut off, what is missing may still be open.
      this.over += inPart ? Math.max(this.number - number, 0) : gone.length;
    }
    for (const one of alerts.values()) if (one.created_at > this.latest) this.latest = one.created_at;
    this.#remember(alerts, cut);
    if (!cut) this.reach = Infinity;
    else if (open.data.cut === undefined) this.reach = reachOf(open.data.alerts); // as the service listed it
    [this.number, this.wasCut] = [number, cut];
    this.#soon();
  }

  /** One that was told live: where not all are listed, it may not be in the list. */
  heard(alert) {
    if (!this.known || !this.wasCut) return;
    if (isOpen(alert)) this.#note(alert, true);
    else this.news.delete(alert.id);
    if (isOpen(alert)) this.known.set(alert.id, alert);
    else this.known.delete(alert.id);
    this.#soon();
  }

  #remember(alerts, cut) {
    if (!cut || !this.known) this.known = alerts;
    for (const [id, one] of alerts) this.known.set(id, one);
    for (const id of this.known.keys()) {
      if (this.known.size <= MOST_KNOWN) break;
      if (!alerts.has(id)) this.known.delete(id);
    }
  }

  /** What comes into a list that is cut off may be old, unless it is so urgent that it had been listed. */
  #note(one, inPart) {
    const before = this.known.get(one.id);
    const isNew = () => !inPart || one.created_at > this.latest || (!isAcknowledged(one) && rank(severityOf(one)) < this.reach);
    if (before ? isWorse(one, before) : isNew()) this.news.set(one.id, one);
  }

  kill(status) {
    if (!status.isFresh) return;
    const kills = new Map((status.data.kill_switch.kills ?? []).map((one) => [one.kill_id, one]));
    if (this.kills) {
      const news = [...kills.values()].filter((one) => !this.kills.has(one.kill_id));
      if (news.length) said(this.assertive, `Kill switch tripped for ${covers(news[0].scope)}: ${news[0].cause}`);
      else if (this.kills.size && !kills.size) this.notes.push("The kill switch was cleared");
    } else if (kills.size) said(this.assertive, "The kill switch is tripped.");
    this.kills = kills;
    this.#soon();
  }

  /** How all of it stands, and why: once it is another. */
  verdict({ level, title, reasons }) {
    if (this.level && this.level !== level) this.answer = reasons.length ? `${title}: ${reasons[0].text}` : title;
    this.level = level;
    this.#soon();
  }

  /** What somebody here has done. */
  say(words) {
    this.notes.unshift(words.replace(/\.$/, ""));
    this.#tell();
  }

  #soon() {
    if (this.timer || !(this.news.size || this.over || this.notes.length || this.answer)) return;
    const wait = Math.max(0, this.saidAt + GAP - performance.now());
    this.timer = setTimeout(() => this.#tell(), wait);
  }

  #tell() {
    clearTimeout(this.timer);
    this.timer = 0;
    const news = [...this.news.values()].sort((a, b) => rank(severityOf(a)) - rank(severityOf(b)));
    const words = [...this.notes, ...news.slice(0, LONGEST).map((one) => `${severityOf(one)}: ${plain(one.alertname)}, ${one.risk_id}`)];
    if (news.length > LONGEST) words.push(`and ${count(news.length - LONGEST, "more alert")}`);
    if (this.over) words.push(this.over === 1 ? "one alert is over" : `${this.over} alerts are over`);
    if (this.answer) words.push(this.answer);
    this.#forget();
    if (!words.length) return;
    this.saidAt = performance.now();
    said(this.polite, `${words.join(". ")}.`);
  }
}

/** What nobody has taken on is listed first: all of it, or all that is worse than the mildest there. */
const reachOf = (alerts) => (alerts.some(isAcknowledged) ? Infinity : Math.max(...alerts.map((one) => rank(severityOf(one)))));

const isWorse = (one, before) => rank(severityOf(one)) < rank(severityOf(before));

/** Another element each time: the same words twice are told twice. */
const said = (region, words) => region.replaceChildren(h("span", {}, words));
