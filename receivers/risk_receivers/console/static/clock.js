// Time: the service's, as far as it told us, and in words that a person reads at a glance.
let offset = 0;

/** What the service's clock said in an answer, and when it was asked and answered here. */
export function learn(date, sentAt, receivedAt) {
  const theirs = Date.parse(date ?? "");
  if (Number.isNaN(theirs)) return;
  const ours = (sentAt + receivedAt) / 2;
  // Told in whole seconds: less than that is no difference.
  offset = Math.abs(theirs + 500 - ours) > 1500 ? theirs + 500 - ours : 0;
}

/** The service's time now, in milliseconds. */
export const now = () => Date.now() + offset;

/**
 * A stamp to measure ages from. A computer that slept stops one of its clocks, and somebody may set
 * the other: whichever says more is believed.
 */
export const stamp = () => ({ wall: Date.now(), steady: performance.now() });
export const since = (at) => Math.max(Date.now() - at.wall, performance.now() - at.steady, 0);

/** How long, in a few characters: 4 s, 12 min, 3 h 5 min, 2 d. */
export function span(milliseconds) {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  const days = Math.floor(hours / 24);
  return hours % 24 && days < 3 ? `${days} d ${hours % 24} h` : `${days} d`;
}

const ago = (milliseconds) => (milliseconds < 1000 ? "now" : `${span(milliseconds)} ago`);
/** Of an ISO time, or of milliseconds. */
export const agoSince = (at) => ago(now() - (typeof at === "number" ? at : Date.parse(at)));

// Not by Intl: to load what it knows of dates takes longer than to draw the page.
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sept", "Oct", "Nov", "Dec"];
const two = (number) => String(number).padStart(2, "0");
const day = (at) => `${at.getDate()} ${MONTHS[at.getMonth()]}`;
const minutesOf = (at) => `${two(at.getHours())}:${two(at.getMinutes())}`;

/** Local time; with the day unless it is today. */
export function local(iso, { seconds = true } = {}) {
  const at = new Date(iso);
  if (Number.isNaN(at.getTime())) return "an unknown time";
  const clock = seconds ? `${minutesOf(at)}:${two(at.getSeconds())}` : minutesOf(at);
  return at.toDateString() === new Date(now()).toDateString() ? clock : `${day(at)} ${clock}`;
}

/** Of a tick: the time of day, and at midnight the day. */
export function tickName(at) {
  const date = new Date(at);
  return date.getHours() || date.getMinutes() ? minutesOf(date) : day(date);
}

/** How far local time is from UTC: who has no pointer reckons with that. */
export function zone() {
  const minutes = -new Date().getTimezoneOffset();
  if (!minutes) return "UTC";
  return `UTC${minutes < 0 ? "−" : "+"}${two(Math.floor(Math.abs(minutes) / 60))}:${two(Math.abs(minutes) % 60)}`;
}

export function utc(iso) {
  const at = new Date(iso);
  return Number.isNaN(at.getTime()) ? "" : `${at.toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

/** Brings a <time> up to date: local in the text, UTC in the title. */
export function showTime(node, iso, options) {
  const said = local(iso, options);
  if (node.dateTime !== iso) {
    node.dateTime = iso;
    node.title = utc(iso);
  }
  if (node.textContent !== said) node.textContent = said;
  return node;
}
