// The small panels: distribution, channels, the audit chain, drills and restrictions.
import { agoSince, showTime, span } from "./clock.js";
import { byId, each, h, s, set, show, text } from "./dom.js";
import { icon, reshape } from "./icons.js";
import { capital, CATEGORIES, count, covers, digits, plain } from "./words.js";

const NOT_KNOWN = "Nothing is known yet.";

/** Says why a list is empty. */
export function none(id, source, isEmpty, words) {
  text(byId(id), source.data ? (source.isFresh ? words : `When last heard of: ${words.charAt(0).toLowerCase()}${words.slice(1)}`) : (source.error?.message ?? NOT_KNOWN));
  show(byId(id), isEmpty);
}

export function distribution({ sources: { stats } }) {
  const counts = Object.entries(stats.data ?? {}).filter(([, number]) => number > 0);
  const whole = counts.reduce((sum, [, number]) => sum + number, 0);
  counts.sort(([a, n], [b, m]) => m - n || CATEGORIES.indexOf(a) - CATEGORIES.indexOf(b));
  none("distribution-none", stats, !counts.length, "No alert was raised.");
  each(byId("distribution"), counts, ([name]) => name, makeShare, (made, [name, number]) => {
    const percent = Math.round((number / whole) * 100);
    text(made.name, capital(plain(name)));
    text(made.value, `${percent} % · ${number}`);
    set(made.fill, { width: `${percent}%` });
  });
}

function makeShare() {
  const made = { name: h("span", {}), value: h("span", { class: "share-value" }), fill: s("rect", { class: "share-fill", height: 8, rx: 4 }) };
  const bar = s("svg", { class: "share-bar", width: "100%", height: 8, "aria-hidden": "true" }, s("rect", { class: "share-track", width: "100%", height: 8, rx: 4 }), made.fill);
  made.node = h("li", { class: "share" }, h("p", {}, made.name, made.value), bar);
  return made;
}

/** A row of a panel: a shape, a name, what is the matter, and something at its end. */
export function makeRow() {
  const made = { mark: icon("unknown"), name: h("span", { class: "row-name" }), line: h("span", { class: "row-line" }), end: h("span", { class: "row-end" }) };
  made.node = h("li", { class: "row" }, made.mark, h("div", { class: "row-main" }, made.name, made.line), made.end);
  return made;
}

export function fillRow(made, { level, name, line, end }) {
  set(made.node, { "data-level": level });
  reshape(made.mark, { alarm: "critical", caution: "warning", off: "debug" }[level] ?? level);
  text(made.name, name);
  text(made.line, line);
  if (typeof end === "string") text(made.end, end);
}

export function channels({ sources: { channels: source } }) {
  const rows = source.data?.channels ?? [];
  none("channels-none", source, !rows.length, "There is no channel.");
  const shown = rows.filter((one) => one.enabled || one.dead_letters);
  const off = rows.length - shown.length;
  const all = off ? [...shown, { name: "others", off }] : shown;
  each(byId("channels"), all, (one) => one.name, makeRow, (made, one) => fillRow(made, channelRow(one, source.isFresh)));
}

function channelRow(one, fresh) {
  if (one.off) return { level: "off", name: count(one.off, "channel"), line: "switched off", end: "" };
  const owed = [
    one.waiting ? `${one.waiting} waiting` : "",
    one.oldest_seconds ? `oldest ${span(one.oldest_seconds * 1000)}` : "",
    one.dead_letters ? `${one.dead_letters} given up` : "",
  ].filter(Boolean);
  if (!one.enabled) return { level: "caution", name: one.name, line: "switched off", end: owed.join(", ") };
  const level = !fresh ? "unknown" : one.up === false || one.late ? "caution" : one.up === null || one.up === undefined ? "off" : "safe";
  const states = { unknown: "unknown", safe: "up", off: "not tried yet", caution: one.up === false ? `down: ${one.error ?? "no reason told"}` : "late" };
  const confirmed = one.confirmed_at ? `confirmed ${agoSince(one.confirmed_at)}` : "nothing confirmed yet";
  return { level, name: one.name, line: `${states[level]}; ${owed.length ? owed.join(", ") : confirmed}`, end: `from ${(one.min_severity ?? "").toLowerCase()}` };
}

export function record({ sources: { status } }) {
  const audit = status.data?.audit;
  const unknown = !status.isFresh;
  const facts = audit
    ? [
        ["State", unknown ? "unknown" : audit.intact ? "Intact as far as it was read back" : `Not intact: ${audit.damage}`, unknown ? "unknown" : audit.intact ? "safe" : "alarm"],
        ["Events", digits(audit.size)],
        ["Signed", audit.signing_problem ? `up to ${audit.signed}: ${audit.signing_problem}` : `up to ${digits(Number(audit.signed ?? 0))}`, audit.signing_problem ? "caution" : ""],
        ["Head", audit.checksum, "hash"],
        ["Tree root", audit.root, "hash"],
        ["Policy", status.data.policy_digest, "hash"],
      ]
    : [["State", NOT_KNOWN, "unknown"]];
  each(byId("record"), facts, ([name]) => name, makeFact, (made, [, value, kind]) => {
    text(made.value, value);
    set(made.value, { "data-level": kind || null, class: kind === "hash" ? "hash" : null });
  });
}

function makeFact([name]) {
  const value = h("dd", {});
  return { node: h("div", {}, h("dt", {}, name), value), value };
}

export function drills({ sources: { drills: source } }) {
  const rows = source.data ?? [];
  none("drills-none", source, !rows.length, "No drill was held yet: riskwarden drill run.");
  each(byId("drills"), rows.slice(0, 6), (one) => one.id, makeDrill, (made, one) => {
    const passed = one.result === "PASS";
    const level = !one.result ? "unknown" : passed ? "safe" : "alarm";
    fillRow(made, { level, name: plain(one.scenario), line: drillLine(one) });
    showTime(made.time, one.at, { seconds: false });
  });
}

function drillLine({ result, environment }) {
  return `${!result ? "began" : result === "PASS" ? "passed" : "failed"}, ${environment}`;
}

function makeDrill() {
  const made = makeRow();
  made.time = h("time", {});
  made.end.append(made.time);
  return made;
}

export function held({ sources: { status }, session }, acts) {
  const rows = status.data?.restrictions ?? [];
  const may = session?.permissions?.some((one) => one === "loosen" || one === "confirm") ?? false;
  none("held-none", status, !rows.length, status.data?.restrictions === null ? "The store cannot be read." : "Nothing is held back.");
  each(byId("held"), rows, (one) => one.id, (one) => makeHeld(one, acts), (made, one) => {
    made.held = one;
    const share = one.size_ratio === null ? "" : ` to ${Math.round(one.size_ratio * 100)} %`;
    const ends = one.standing === "FIRING" ? (one.needs_resume ? "until its alert is over and somebody resumes" : "until its alert is over") : one.standing === "LATCHED" ? "until somebody resumes" : "nobody says whether its alert is over";
    fillRow(made, { level: status.isFresh ? "caution" : "unknown", name: `${capital(plain(one.kind))}${share}: ${covers(one.scope)}`, line: `${one.cause} (${one.level}), ${ends}` });
    show(made.resume, may && one.can_be_resumed);
    set(made.resume, { "aria-label": `Resume ${covers(one.scope)}` });
  });
}

function makeHeld(one, acts) {
  const made = makeRow();
  made.held = one;
  made.resume = h("button", { type: "button", on: { click: () => acts.resume(made.held) } }, "Resume…");
  made.end.append(made.resume);
  return made;
}
