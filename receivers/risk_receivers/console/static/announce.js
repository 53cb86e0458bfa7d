// What a screen reader is told: politely of alerts, at once of a trip. Only of what is new.
import { byId } from "./dom.js";
import { covers, plain, severityOf } from "./words.js";

const LONGEST = 3;

export class Announcer {
  constructor() {
    this.polite = byId("polite");
    this.assertive = byId("assertive");
    this.known = null;
    this.kills = null;
    this.level = null;
  }

  alerts(open) {
    if (!open.isFresh) return;
    const states = new Map(open.data.alerts.map((one) => [one.id, one]));
    if (this.known) {
      const news = [...states.values()].filter((one) => !this.known.has(one.id));
      const gone = [...this.known.keys()].filter((id) => !states.has(id));
      const said = news.slice(0, LONGEST).map((one) => `${severityOf(one)}: ${plain(one.alertname)}, ${one.risk_id}`);
      if (news.length > LONGEST) said.push(`and ${news.length - LONGEST} more alerts`);
      if (gone.length) said.push(gone.length === 1 ? "one alert is over" : `${gone.length} alerts are over`);
      if (said.length) this.polite.textContent = said.join(". ");
    }
    this.known = states;
  }

  kill(status) {
    if (!status.isFresh) return;
    const kills = new Map((status.data.kill_switch.kills ?? []).map((one) => [one.kill_id, one]));
    if (this.kills) {
      const news = [...kills.values()].filter((one) => !this.kills.has(one.kill_id));
      if (news.length) this.assertive.textContent = `Kill switch tripped for ${covers(news[0].scope)}: ${news[0].cause}`;
      else if (this.kills.size && !kills.size) this.polite.textContent = "The kill switch was cleared.";
    } else if (kills.size) this.assertive.textContent = "The kill switch is tripped.";
    this.kills = kills;
  }

  verdict({ level, title }) {
    if (this.level && this.level !== level && (level === "unknown" || this.level === "unknown"))
      this.polite.textContent = level === "unknown" ? "The connection is lost; the state is unknown." : `Heard again. ${title}.`;
    this.level = level;
  }

  say(words) {
    this.polite.textContent = words;
  }
}
