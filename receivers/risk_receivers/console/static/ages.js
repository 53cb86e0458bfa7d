// Each panel says how old what it shows is, and turns grey once that is too old to rely on.
import { span } from "./clock.js";
import { byId, set, text } from "./dom.js";

const PANELS = {
  "timeline-age": "open",
  "alerts-age": "open",
  "limits-age": "metrics",
  "distribution-age": "stats",
  "channels-age": "channels",
  "record-age": "status",
  "drills-age": "drills",
  "held-age": "status",
  "security-age": "security",
};

/** `frozenAge` is how old the limits are that stand as they stood at a trip; null if they do not. */
export function ages(sources, frozenAge) {
  for (const [id, name] of Object.entries(PANELS)) {
    const node = byId(id);
    const source = sources[name];
    const fresh = source.isFresh;
    text(node, source.at ? `${fresh ? "" : "unknown, "}${span(source.age)} old` : "unknown");
    set(node.closest(".panel"), { "data-stale": !fresh });
  }
  if (frozenAge !== null) text(byId("limits-age"), `${span(frozenAge)} old`);
}
