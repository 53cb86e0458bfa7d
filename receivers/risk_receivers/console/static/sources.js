// What is known, from when, and whether that is still worth anything. Nothing old passes for new.
import { since, stamp } from "./clock.js";
import { ApiError, get } from "./api.js";
import { categoriesOf, drillsOf, FIRST_ALERTS, LATEST_ALERTS, measuresOf, MORE_ALERTS } from "./model.js";

// Milliseconds. `every`: how often it is asked for by itself; `calm`: while it is told live, too;
// `stale`: from when on it counts as unknown. The status is asked for often even then: it says
// whether somebody is safe. `needs`: one of these permissions; whoever has none is not shown it.
// `most`: how many rows are asked for, where there may be thousands.
export const SOURCES = {
  status: { path: "/api/v1/system/status", every: 4_000, calm: 5_000, stale: 15_000 },
  open: { path: "/api/v1/alerts/open", most: FIRST_ALERTS + MORE_ALERTS, every: 6_000, calm: 12_000, stale: 30_000 },
  alerts: { path: "/api/v1/alerts", most: LATEST_ALERTS, every: 12_000, calm: 20_000, stale: 60_000 },
  metrics: { path: "/api/v1/metrics/current", every: 6_000, calm: 12_000, stale: 20_000, read: measuresOf },
  stats: { path: "/api/v1/alerts/stats", every: 30_000, calm: 60_000, stale: 150_000, read: categoriesOf },
  channels: { path: "/api/v1/channels", every: 20_000, calm: 20_000, stale: 60_000 },
  drills: { path: "/api/v1/drills", every: 60_000, calm: 60_000, stale: 600_000, read: drillsOf },
  security: { path: "/api/v1/security", every: 30_000, calm: 30_000, stale: 120_000, needs: ["manage_tokens", "audit_read"] },
};

export class Source {
  constructor(name, { path, every, calm, stale, needs = [], most = 0, read = (answer) => answer }) {
    Object.assign(this, { name, path, every, calm, stale, needs, most, read });
    this.data = null;
    this.at = null;
    this.error = null;
    this.asking = null;
    this.notBefore = 0;
    this.again = false;
    this.told = []; // live, while an answer is on its way
    this.askedAt = null;
    this.timer = 0;
    this.due = 0;
  }

  /** Milliseconds since it was heard of; Infinity if it never was. */
  get age() {
    return this.at ? since(this.at) : Infinity;
  }

  get isFresh() {
    return this.data !== null && this.age <= this.stale;
  }

  /** Take an answer, or what came another way, like over the live stream. */
  take(answer, at = stamp()) {
    this.data = this.read(answer, this.data);
    this.at = at;
    this.error = null;
  }

  /**
   * What was told live may be newer than an answer that is on its way: it holds beside that one, too, or
   * what was there would be gone for a moment, and the focus with it. Whether there is such an answer.
   */
  amend(change) {
    if (this.data !== null) this.data = change(this.data);
    if (this.asking) this.told.push(change);
    return this.asking !== null;
  }

  /** Ask once; whoever asks meanwhile waits for an answer that was asked for after that. */
  refresh() {
    if (this.asking) {
      this.again = true;
      return this.asking;
    }
    this.asking = this.#ask().finally(() => {
      this.asking = null;
    });
    return this.asking;
  }

  async #ask() {
    do {
      this.again = false;
      this.told = [];
      const at = stamp(); // it may have changed while the answer was on its way
      this.askedAt = at;
      try {
        this.take(await get(this.most ? `${this.path}?limit=${this.most}` : this.path), at);
        for (const change of this.told) this.data = change(this.data);
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        this.error = error;
        if (error.retryAfter) this.notBefore = performance.now() + error.retryAfter * 1000; // nobody sets this clock back
      }
    } while (this.again && this.error === null);
  }

  isDue(live) {
    if (this.asking || performance.now() < this.notBefore) return false;
    if (this.error && this.error.status >= 400 && this.error.status < 500 && this.error.status !== 429)
      return this.sinceAsked > 60_000; // not allowed, or not there: seldom
    return this.sinceAsked >= (live ? this.calm : this.every);
  }

  get sinceAsked() {
    return this.askedAt ? since(this.askedAt) : Infinity;
  }

  poll(live) {
    return this.isDue(live) ? this.refresh() : null;
  }

  /** Ask soon, but no more often than this, however much happens; `then()` once it is answered. */
  hurry(gap, then) {
    const wait = Math.max(0, gap - this.sinceAsked, this.notBefore - performance.now());
    const due = performance.now() + wait;
    if (this.timer && this.due <= due) return;
    clearTimeout(this.timer);
    this.due = due;
    this.timer = setTimeout(() => {
      this.timer = 0;
      if (performance.now() < this.notBefore) this.hurry(gap, then); // it was told to wait since
      else this.refresh().then(then);
    }, wait);
  }
}

export const makeSources = () =>
  Object.fromEntries(Object.entries(SOURCES).map(([name, terms]) => [name, new Source(name, terms)]));
