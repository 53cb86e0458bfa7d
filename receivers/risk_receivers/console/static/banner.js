// The red banner: each kill in force, what it did so far, and the way out of it. It stays while
// nobody can say whether it still holds.
import { showTime, span, agoSince } from "./clock.js";
import { byId, each, h, set, show, text } from "./dom.js";
import { covers, MODES } from "./words.js";

export class Banner {
  constructor(acts) {
    this.acts = acts;
    this.node = byId("banner");
  }

  render({ sources: { status }, session }) {
    const kills = status.data?.kill_switch.kills ?? [];
    show(this.node, kills.length > 0);
    if (!kills.length) return;
    const all = kills.some((one) => one.scope === "*");
    const heard = status.isFresh ? "" : ` (as heard ${span(status.age)} ago)`;
    text(byId("banner-title"), `${all ? "Kill switch tripped" : "Kill switch tripped in part"}${heard}`);
    set(this.node, { "data-stale": !status.isFresh });
    const may = session?.permissions?.some((one) => one === "loosen" || one === "confirm") ?? false;
    each(byId("banner-kills"), kills, (one) => one.kill_id, (one) => this.#make(one), (made, one) => update(made, one, may));
  }

  #make(kill) {
    const made = {
      kill,
      scope: h("strong", {}),
      cause: h("span", {}),
      time: h("time", {}),
      ago: h("span", {}),
      means: h("p", { class: "kill-means" }),
      flat: h("p", { class: "kill-flat" }),
      record: h("p", { class: "kill-flat" }),
    };
    made.clear = h("button", { type: "button", on: { click: () => this.acts.clear(made.kill) } }, "Clear…");
    made.node = h(
      "div",
      { class: "kill" },
      h("div", {}, h("p", { class: "kill-line" }, made.scope, " ", made.cause, " Since ", made.time, made.ago), made.means, made.flat, made.record),
      made.clear,
    );
    return made;
  }
}

function update(made, kill, may) {
  made.kill = kill;
  text(made.scope, `Covers ${covers(kill.scope)}:`);
  text(made.cause, `${kill.cause ?? "no cause told"} (${kill.level ?? "unknown"}).`);
  if (kill.since) {
    showTime(made.time, kill.since);
    text(made.ago, `, ${agoSince(kill.since)}.`);
  }
  text(made.means, `Mode ${kill.mode}. ${MODES[kill.mode] ?? ""}`);
  text(made.flat, closing(kill));
  text(made.record, kill.on_record ? "" : "Not on record yet: the store did not take it.");
  show(made.record, !kill.on_record);
  show(made.clear, may);
  set(made.clear, { "aria-label": `Clear the kill for ${covers(kill.scope)}` });
}

function closing(kill) {
  if (kill.state === "FLAT_CONFIRMED") return "Flat: every account looked again and holds nothing.";
  if (kill.mode === "pause") return "Positions stay open.";
  const waiting = (kill.waiting_for_accounts ?? []).join(", ");
  if (kill.state === "CLOSING") return `Closing, not flat yet${waiting ? `: ${waiting} still to confirm` : ""}.`;
  return "Not flat yet: no account has reported a close.";
}
