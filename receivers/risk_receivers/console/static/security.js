// What the security monitor has seen: who stands out, and secrets that are too old. For whoever may ask.
import { span } from "./clock.js";
import { fillRow, makeRow, none } from "./cards.js";
import { byId, each, show } from "./dom.js";
import { count } from "./words.js";

const MOST = 5;

export function security({ sources: { security: source } }, may) {
  show(byId("security-panel"), may);
  if (!may) return;
  const rows = source.data ? rowsOf(source.data) : [];
  none("security-none", source, !rows.length, "No address stands out, and no secret is overdue.");
  each(byId("security"), rows, (one) => one.key, makeRow, (made, one) => fillRow(made, source.isFresh ? one : { ...one, level: "unknown" }));
}

function rowsOf({ addresses, secrets }) {
  const suspects = addresses.slice(0, MOST).map((one) => ({
    key: `address ${one.address}`,
    level: one.blocked ? "alarm" : "caution",
    name: one.address,
    line: one.blocked ? `blocked for ${span(one.blocked_seconds * 1000)} more` : "stands out, not blocked",
    end: `score ${one.score}`,
  }));
  const overdue = secrets.filter((one) => one.overdue).map((one) => ({
    key: `secret ${one.secret}`,
    level: "caution",
    name: one.secret,
    line: `${span(one.age_seconds * 1000)} old, to be changed after ${span(one.rotate_after_seconds * 1000)}`,
    end: "overdue",
  }));
  const more = addresses.length - suspects.length;
  const undated = secrets.filter((one) => one.overdue === null).length;
  return [
    ...suspects,
    ...(more > 0 ? [{ key: "more", level: "caution", name: count(more, "more address", "more addresses"), line: "stand out", end: "" }] : []),
    ...overdue,
    ...(undated ? [{ key: "undated", level: "unknown", name: count(undated, "secret"), line: "nobody knows how old", end: "" }] : []),
  ];
}
