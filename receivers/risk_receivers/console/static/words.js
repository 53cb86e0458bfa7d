// Numbers, names and states in plain words.
export const SEVERITIES = ["emergency", "critical", "warning", "info", "debug"];
export const rank = (severity) => {
  const found = SEVERITIES.indexOf(String(severity).toLowerCase());
  return found < 0 ? SEVERITIES.length : found;
};
export const severityOf = (alert) => String(alert.severity ?? "info").toLowerCase();

export const CATEGORIES = ["position", "portfolio", "drawdown", "execution", "system", "kill_switch", "security"];

const OPEN = new Set(["CREATED", "DISPATCHED", "ACKNOWLEDGED", "ESCALATED"]);
export const isOpen = (alert) => OPEN.has(alert.state);
export const isAcknowledged = (alert) => alert.state === "ACKNOWLEDGED";

export const STATES = {
  CREATED: "new",
  DISPATCHED: "people told",
  ACKNOWLEDGED: "acknowledged",
  ESCALATED: "escalated",
  RESOLVED: "over",
  EXPIRED: "nobody says",
};

export const MODES = {
  pause: "No new entries; positions stay open.",
  graceful: "No new entries; positions are closed at their targets, and what is left after the time limit at once.",
  immediate: "No new entries; working orders are cancelled and every position is closed at once.",
};

export const plain = (name) => String(name ?? "").replaceAll("_", " ").toLowerCase();
export const capital = (words) => words.charAt(0).toUpperCase() + words.slice(1);

/**
 * A number with at most so many decimals, thousands apart. Not by Intl: to load what it knows of numbers
 * takes longer than to draw the page.
 */
export function digits(value, most = 0) {
  if (!Number.isFinite(value)) return String(value);
  const [whole, part = ""] = value.toFixed(most).split(".");
  const rest = part.replace(/0+$/, "");
  return whole.replace(/\B(?=(\d{3})+$)/g, ",") + (rest && `.${rest}`);
}

export const count = (number, one, many = `${one}s`) => `${digits(number)} ${number === 1 ? one : many}`;

/** What a scope covers: `*`, or label=value pairs. */
export const covers = (scope) => (!scope || scope === "*" ? "everything" : String(scope).replaceAll(",", ", ").replaceAll("=", " "));

/** A measured value: a ratio, a time in seconds, or a number. */
export function quantity(value, unit) {
  if (value === null || value === undefined) return "unknown";
  if (unit === "ratio") return `${percents(value)} %`;
  if (unit === "time") return value < 1 ? `${digits(value * 1000, 0)} ms` : `${digits(value, value < 10 ? 2 : 0)} s`;
  return digits(value, Math.abs(value) < 100 ? 2 : 0);
}

const percents = (value) => digits(value * 100, Math.abs(value) < 0.1 ? 2 : 1);

/** How far it is from one value to another. */
export const distance = (from, to, unit) =>
  unit === "ratio" ? `${percents(Math.abs(to - from))} points` : quantity(Math.abs(to - from), unit);

/** `8f3a…09bc`: enough of a hash to compare by eye. */
export const short = (hash) => (hash && hash.length > 14 ? `${hash.slice(0, 8)}…${hash.slice(-4)}` : hash || "none");
