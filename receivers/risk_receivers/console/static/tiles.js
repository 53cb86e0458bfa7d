// The tiles under the answer: alerts, kill switch, gate, record, channels. One fact each.
import { span } from "./clock.js";
import { byId, each, h, set, show, text } from "./dom.js";
import { icon, reshape } from "./icons.js";
import { openCount, openOf } from "./model.js";
import { gateOf } from "./verdict.js";
import { count, covers, digits, rank, SEVERITIES, short } from "./words.js";

const SHAPE = { stopped: "stopped", unknown: "unknown", alarm: "critical", caution: "warning", safe: "safe" };

export class Tiles {
  /** `acts` are what the buttons do: trip, clear, arm, disarm. */
  constructor(acts) {
    this.acts = acts;
  }

  render({ sources, session }) {
    const tiles = [this.#kill(sources.status, session), alertTile(sources.open), gateTile(sources.status), recordTile(sources.status), channelTile(sources.channels)];
    each(byId("tiles"), tiles, (one) => one.name, makeTile, updateTile);
  }

  #kill(source, session) {
    const tile = { name: "Kill switch", buttons: [] };
    const may = (permission) => session?.permissions?.includes(permission);
    if (may("trip")) tile.buttons.push({ name: "Stop trading…", kind: "danger", act: this.acts.trip });
    if (!source.isFresh) return { ...tile, level: "unknown", value: "Unknown", line: "Not heard of lately." };
    const kill = source.data.kill_switch;
    const narrower = (kill.kills ?? []).filter((one) => one.scope !== "*");
    if (kill.state === "DISARMED") {
      if (may("arm")) tile.buttons.push({ name: "Arm…", kind: "", act: this.acts.arm });
      return { ...tile, level: "alarm", value: "Disarmed", line: "Trips for people alone." };
    }
    if (kill.state !== "ARMED") return { ...tile, level: "stopped", value: "Tripped", line: `Everything, mode ${kill.mode}` };
    if (narrower.length) return { ...tile, level: "stopped", value: "Tripped in part", line: narrower.map((one) => covers(one.scope)).join("; ") };
    if (may("loosen") || may("confirm")) tile.buttons.push({ name: "Disarm…", kind: "quiet", act: this.acts.disarm });
    return { ...tile, level: "safe", value: "Armed", line: "Covers everything." };
  }
}

function alertTile(source) {
  const tile = { name: "Active alerts", href: "#alerts" };
  if (!source.isFresh) return { ...tile, level: "unknown", value: "Unknown", line: "Not heard of lately." };
  const counts = SEVERITIES.map((severity) => [severity, openOf(source.data, severity)]).filter(([, number]) => number);
  const worst = counts.length ? rank(counts[0][0]) : 9;
  const level = worst <= rank("critical") ? "alarm" : worst <= rank("warning") ? "caution" : "safe";
  return { ...tile, level, value: digits(openCount(source.data)), line: counts.map(([severity, number]) => `${number} ${severity}`).join(", ") || "None fires." };
}

function gateTile(source) {
  const tile = { name: "Gate", href: "#held-panel" };
  if (!source.isFresh) return { ...tile, level: "unknown", value: "Unknown", line: "Not heard of lately." };
  const { level, title, line } = gateOf(source.data);
  const { gate } = source.data;
  const lease = gate.halted ? "no lease" : `lease ${gate.lease_remaining_seconds.toFixed(1)} s, seen ${span(source.age)} ago`;
  return { ...tile, level, value: title, line: `${line} ${lease.charAt(0).toUpperCase()}${lease.slice(1)}.` };
}

function recordTile(source) {
  const tile = { name: "Audit chain", href: "#record-panel" };
  if (!source.isFresh) return { ...tile, level: "unknown", value: "Unknown", line: "Not heard of lately." };
  const { audit } = source.data;
  const head = `${count(audit.size, "event")}, head ${short(audit.checksum)}`;
  if (!audit.intact) return { ...tile, level: "alarm", value: "Not intact", line: audit.damage ?? head };
  if (audit.signing_problem) return { ...tile, level: "caution", value: "Not signed", line: audit.signing_problem };
  return { ...tile, level: "safe", value: "Intact", line: head };
}

function channelTile(source) {
  const tile = { name: "Channels", href: "#channels-panel" };
  if (!source.isFresh) return { ...tile, level: "unknown", value: "Unknown", line: "Not heard of lately." };
  const on = source.data.channels.filter((one) => one.enabled);
  const down = on.filter((one) => one.up === false || one.late);
  const line = down.length ? `In trouble: ${down.map((one) => one.name).join(", ")}` : "All that are on deliver.";
  return { ...tile, level: down.length ? "caution" : "safe", value: `${on.length - down.length} of ${on.length}`, line };
}

function makeTile(one) {
  const made = {
    mark: icon("unknown"),
    value: h("span", { class: "tile-value" }),
    line: h("p", { class: "tile-line" }),
    buttons: h("div", { class: "tile-buttons" }),
  };
  const title = one.href ? h("a", { href: one.href }, one.name) : one.name;
  made.node = h("article", { class: "tile" }, h("h3", {}, title), h("p", { class: "tile-main" }, made.mark, made.value), made.line, made.buttons);
  return made;
}

function updateTile(made, one) {
  set(made.node, { "data-level": one.level });
  reshape(made.mark, SHAPE[one.level]);
  text(made.value, one.value);
  text(made.line, one.line);
  const buttons = one.buttons ?? [];
  show(made.buttons, buttons.length > 0);
  each(made.buttons, buttons, (button) => button.name, makeButton, () => {});
}

function makeButton({ name, kind, act }) {
  return { node: h("button", { type: "button", class: kind, on: { click: act } }, name) };
}
