// "Am I safe?" Pure: from what is known and how old that is, to a level and its reasons.
// Green takes everything: each fact known, each fresh, each good. Whatever is missing is unknown.
import { span } from "./clock.js";
import { isCut, openOf } from "./model.js";
import { capital, count, covers, isAcknowledged, plain, severityOf } from "./words.js";

const MOST_NAMED = 3;
const ORDER = ["stopped", "unknown", "alarm", "caution", "safe"];
const WORDS = {
  stopped: "Stopped",
  unknown: "Unknown",
  alarm: "Alarm",
  caution: "Take care",
  safe: "Safe",
};
const worst = (reasons) => ORDER.find((level) => reasons.some((one) => one.level === level)) ?? "safe";

/** { level, title, line, reasons: [{level, text, href}] } */
export function verdict({ status, open, channels, metrics }) {
  const reasons = [
    ...ofStatus(status),
    ...(status.isFresh ? [...ofKills(status.data), ...ofGate(status.data), ...ofRecord(status.data)] : []),
    ...ofAlerts(open),
    ...ofChannels(channels),
    ...ofMetrics(metrics, open),
  ];
  reasons.sort((a, b) => ORDER.indexOf(a.level) - ORDER.indexOf(b.level));
  // Whoever hears nothing knows nothing, a trip that was seen before included.
  const level = status.isFresh ? worst(reasons) : "unknown";
  const inPart = level === "stopped" && !(status.data.kill_switch.kills ?? []).some((one) => one.scope === "*") && !status.data.gate.halted;
  const title = inPart ? "Stopped in part" : WORDS[level];
  const line = inPart ? "The kill switch is tripped for less than everything." : lineOf(level, status);
  return { level, title, line, reasons };
}

function lineOf(level, status) {
  if (!status.isFresh)
    return status.data
      ? `Nothing was heard for ${span(status.age)}. What is shown may no longer be so.`
      : "Nothing is known yet.";
  if (level === "safe") return "Nothing fires, orders pass the gate, the kill switch is armed and the record is intact.";
  if (level === "unknown") return "Not everything could be asked.";
  if (level === "stopped") return "The kill switch is tripped.";
  return level === "alarm" ? "Somebody has to act." : "Nothing urgent, but not all is well.";
}

function ofStatus(source) {
  if (!source.isFresh) return [{ level: "unknown", text: source.error?.message ?? (source.at ? "The service has not answered lately." : "The service has not answered yet."), href: "#connection" }];
  return (source.data.problems ?? []).map((text) => ({ level: "alarm", text: `Service not ready: ${text}`, href: "#record-panel" }));
}

function ofKills({ kill_switch: kill }) {
  const found = (kill.kills ?? []).map((one) => ({
    level: "stopped",
    text: `Kill switch tripped for ${covers(one.scope)}: ${one.cause ?? "no cause told"}`,
    href: "#banner",
  }));
  if (kill.state === "DISARMED") found.push({ level: "alarm", text: "Kill switch disarmed: only people trip it", href: "#tiles" });
  return found;
}

export function gateOf({ gate, restrictions }) {
  const held = restrictions ?? [];
  const withheld = (gate.lease_withheld ?? []).join("; ");
  if (gate.halted) return { level: "stopped", title: "Halted", line: "Orders that add risk are refused." };
  if (!gate.open) return { level: "alarm", title: "Reduce only", line: withheld || "Its lease was not renewed." };
  if (withheld) return { level: "alarm", title: "Closing", line: withheld };
  if (restrictions === null || restrictions === undefined) return { level: "unknown", title: "Unknown", line: "The store cannot be read." };
  const all = held.filter((one) => one.scope === "*" && one.kind !== "reduce_size");
  if (all.length) return { level: "alarm", title: "Reduce only", line: `${plain(all[0].kind)}: ${all[0].cause}` };
  if (held.length) return { level: "caution", title: "Open in part", line: `${count(held.length, "restriction")} in force` };
  return { level: "safe", title: "Open", line: "Orders pass." };
}

function ofGate(data) {
  const gate = gateOf(data);
  if (gate.level === "safe") return [];
  return [{ level: gate.level, text: `Gate ${gate.title.toLowerCase()}: ${gate.line}`, href: "#held-panel" }];
}

function ofRecord({ audit, messages_dead: dead, incidents_expired: expired }) {
  const found = [];
  if (audit.intact === false) found.push({ level: "alarm", text: `Audit chain not intact: ${audit.damage}`, href: "#record-panel" });
  if (audit.intact && audit.signing_problem)
    found.push({ level: "caution", text: `Audit chain is not being signed: ${audit.signing_problem}`, href: "#record-panel" });
  if (dead === null) found.push({ level: "unknown", text: "The store cannot be read", href: "#record-panel" });
  const lost = Object.values(dead ?? {}).reduce((sum, one) => sum + one, 0);
  if (lost) found.push({ level: "caution", text: `${count(lost, "message")} given up`, href: "#channels-panel" });
  const doubted = Object.values(expired ?? {}).reduce((sum, one) => sum + one, 0);
  if (doubted) found.push({ level: "caution", text: `${count(doubted, "alert")} no longer repeated, and nobody said that it is over`, href: "#alerts" });
  return found;
}

function ofAlerts(source) {
  if (!source.isFresh) return [{ level: "unknown", text: "Which alerts fire is not known", href: "#alerts" }];
  const { data } = source;
  const all = ["emergency", "critical", "warning"].reduce((sum, severity) => sum + openOf(data, severity), 0);
  const urgent = openOf(data, "emergency") + (data.waiting.critical ?? 0);
  const rest = all - urgent;
  const isUrgent = (one) => severityOf(one) === "emergency" || (severityOf(one) === "critical" && !isAcknowledged(one));
  const named = data.alerts.filter(isUrgent).slice(0, MOST_NAMED);
  const found = named.map((one) => ({ level: "alarm", text: `${capital(plain(one.alertname))}, ${one.risk_id}`, href: "#alerts" }));
  if (urgent > named.length) found.push({ level: "alarm", text: `${count(urgent - named.length, "more alert")} to act on`, href: "#alerts" });
  if (rest) found.push({ level: "caution", text: urgent ? `${count(rest, "alert")} beside that` : `${count(rest, "alert")} open`, href: "#alerts" });
  return found;
}

function ofChannels(source) {
  if (!source.isFresh) return [{ level: "unknown", text: "How the channels fare is not known", href: "#channels-panel" }];
  const reasons = [
    ["down", (one) => one.up === false],
    ["late", (one) => one.up !== false && one.late],
  ];
  return reasons.flatMap(([what, isSo]) => {
    const names = source.data.channels.filter((one) => one.enabled && isSo(one)).map((one) => one.name);
    return names.length ? [{ level: "caution", text: `${count(names.length, "channel")} ${what}: ${names.join(", ")}`, href: "#channels-panel" }] : [];
  });
}

function ofMetrics(source, open) {
  const about = (level, text) => ({ level, text, href: "#limits" });
  if (!source.isFresh) return [about("unknown", "How close the limits are is not known")];
  const { accounts, limits } = source.data;
  const found = accounts.filter((one) => one.stale).map(({ account }) => about("unknown", `Account ${account} has stopped reporting`));
  if (!limits.length) found.push(about("unknown", "No limit is being measured"));
  const undated = limits.filter((one) => one.stale && one.at === null).length;
  if (undated) found.push(about("unknown", `${count(undated, "limit")} of which nobody knows how old they are`));
  const missing = limits.filter((one) => !one.stale && one.value === null).length;
  if (missing) found.push(about("caution", `${count(missing, "limit")} without a value`));
  return [...found, ...unheard(limits, open).map((one) => about(one.tier === "warning" ? "caution" : "alarm", `${one.name}, ${one.about}: past ${one.tier}, and no alert says so`))];
}

/**
 * What is past a threshold while no alert is open about it: rules that do not run raise none. Where not
 * all alerts are listed, the service says of each whether one is.
 */
function unheard(limits, open) {
  if (!open.isFresh) return [];
  const told = new Set(open.data.alerts.map((one) => one.risk_id));
  const isTold = (one) => told.has(one.riskId) || (isCut(open.data) && one.isTold);
  return limits.filter((one) => one.tier && !one.stale && !isTold(one)).sort((a, b) => b.pressure - a.pressure);
}
