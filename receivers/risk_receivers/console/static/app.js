// The console: asks, listens, and draws what is known. What is not known it does not make up.
import { get, del, ApiError, keepToken } from "./api.js";
import { ages } from "./ages.js";
import { acknowledge, giveBack, remark } from "./alert_dialogs.js";
import { Alerts } from "./alerts.js";
import { Announcer } from "./announce.js";
import { Banner } from "./banner.js";
import { channels, distribution, drills, held, record } from "./cards.js";
import { security } from "./security.js";
import { zone } from "./clock.js";
import { byId, show, text } from "./dom.js";
import { Head } from "./head.js";
import { tripDialog } from "./kill_dialog.js";
import { Limits } from "./limits.js";
import { Live } from "./live.js";
import { armDialog, LOOSENINGS, loosenDialog } from "./loosen_dialog.js";
import { isCut, openCount, scopesOf, withAlert, withOpen } from "./model.js";
import { makeSources } from "./sources.js";
import { themeSwitch } from "./theme.js";
import { Tiles } from "./tiles.js";
import { Timeline } from "./timeline.js";
import { verdict } from "./verdict.js";

const TICK = 1000;
const AGAIN = 3000;
// However much happens: a page that used up what the policy lets a name ask would know nothing.
const AT_ONCE = 1000;
const SELDOM = 3000;
const sources = makeSources();
const announcer = new Announcer();
let session = null;
let live = null; // what happens
let gauges = null; // what is measured
let waiting = false;
let isBeginning = true; // until what somebody has to know at once is there, or is late
let isReady = false;
let counted = "";

const done = (words) => {
  announcer.say(words);
  refresh("status", "open", "alerts");
};
const may = (...permissions) => permissions.some((one) => session?.permissions?.includes(one));
const terms = () => ({ author: session.name, needsTotp: session.needs_totp, done });
const acts = {
  trip: () => tripDialog({ ...terms(), scopes: scopesOf(sources.metrics.data?.limits ?? []) }),
  arm: () => armDialog(terms()),
  disarm: () => loosenDialog(LOOSENINGS.disarm(), terms()),
  clear: (kill) => loosenDialog(LOOSENINGS.clear(kill), terms()),
  resume: (one) => loosenDialog(LOOSENINGS.resume(one), terms()),
  acknowledge: (alert) => acknowledge(alert, session.name, done),
  giveBack: (alert) => giveBack(alert, session.name, done),
  more: (number) => {
    sources.open.most = Math.max(sources.open.most, number);
    if (isCut(sources.open.data)) refresh("open");
  },
  comment: (alert) => remark(alert, session.name, done, may("acknowledge")),
};

const head = new Head();
const tiles = new Tiles(acts);
const banner = new Banner(acts);
const alerts = new Alerts(acts);
const limits = new Limits();
const timeline = new Timeline((id) => alerts.reveal(id));

function render() {
  waiting = false;
  const judged = verdict(sources);
  const view = { sources, session, live: live?.isUp ?? false, verdict: judged, openCount: sources.open.isFresh ? openCount(sources.open.data) : 0 };
  head.render(view);
  banner.render(view);
  tiles.render(view);
  alerts.render(view);
  limits.render(view);
  timeline.render(view);
  distribution(view);
  channels(view);
  record(view);
  drills(view);
  held(view, acts);
  security(view, may(...sources.security.needs));
  ages(sources, limits.frozenAge);
  announcer.kill(sources.status);
  announcer.alerts(sources.open);
  announcer.verdict(judged);
  countAnew();
  if (!isReady && session?.authenticated && sources.status.data && sources.open.data) {
    isReady = true;
    performance.mark("riskwarden-ready"); // it is all there, and drawn next
  }
}

/** Draw soon, once for all that changed together. No animation frame: hidden tabs have none. */
function changed() {
  if (waiting || isBeginning) return;
  waiting = true;
  setTimeout(render, 0);
}

/** Which alerts are open has changed, so the shares of the categories have. */
function countAnew() {
  const { data } = sources.open;
  const ids = data ? [openCount(data), ...data.alerts.map((one) => one.id)].join() : "";
  if (ids !== counted && sources.stats.data) soon(SELDOM, "stats", "alerts");
  counted = ids;
}

/** Ask again, but however much happens, only so often: a storm of alerts is no storm of questions. */
function soon(gap, ...names) {
  for (const name of names) sources[name].hurry(gap, changed);
}

function refresh(...names) {
  for (const name of names) sources[name].refresh().then(changed);
}

function tick() {
  isBeginning = false;
  changed();
  if (!session?.authenticated) return;
  live?.tick();
  gauges?.tick();
  for (const source of Object.values(sources)) {
    if (source.needs.length && !may(...source.needs)) continue;
    const stream = source === sources.metrics ? gauges : live;
    source.poll(stream?.isUp ?? false)?.then(changed);
  }
}

function heard(frame) {
  if (frame.type === "gap") refresh("status", "open", "alerts");
  else if (frame.type === "hello") soon(AT_ONCE, "status", "open", "alerts");
  else if (frame.type === "alert") alertHeard(frame.alert);
  else if (frame.type === "status") stateHeard();
  else if (frame.type === "metrics" && frame.current) sources.metrics.take(frame.current);
  changed();
}

function stateHeard() {
  soon(AT_ONCE, "status");
  soon(SELDOM, "drills");
}

function alertHeard(alert) {
  const crossed = sources.open.amend((data) => withOpen(data, alert)); // which of them is newer is not known
  if (sources.alerts.amend((data) => withAlert(data, alert))) soon(SELDOM, "alerts");
  announcer.heard(alert);
  if (crossed || (sources.open.data && isCut(sources.open.data))) soon(SELDOM, "open"); // nobody here can count them
  soon(SELDOM, "status");
}

async function begin() {
  themeSwitch(byId("theme"));
  text(byId("foot"), `Times are local (${zone()}); the pointer over one shows UTC.`);
  byId("log-out").addEventListener("click", logOut);
  setInterval(tick, TICK);
  addEventListener("online", tick);
  document.addEventListener("visibilitychange", () => {
    if (document.hidden || !session?.authenticated) return;
    live?.hurry();
    gauges?.hurry();
    refresh("status", "open", "metrics");
  });
  await logIn();
  if (!session.authenticated) return;
  // First what somebody has to know at once; what the small panels show does not hold that up.
  const first = ["status", "open"].map((name) => sources[name].refresh());
  refresh("channels", "metrics");
  await Promise.all(first);
  render();
  await seen();
  tick();
  if (document.documentElement.dataset.live === "yes") {
    live = new Live("/ws/alerts", { onFrame: heard, onChange: changed });
    gauges = new Live("/ws/metrics", { onFrame: heard, onChange: changed });
    live.start();
    gauges.start();
  }
}

/** Until what was drawn is on the screen; a hidden tab has none, and does not wait. */
function seen() {
  if (document.hidden) return null;
  const shown = new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)));
  return Promise.race([shown, new Promise((late) => setTimeout(late, TICK))]);
}

/** Who looks, as soon as the service says; whoever is nobody is sent to log in. */
async function logIn() {
  while (session === null) {
    try {
      session = await get("/api/v1/session");
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      sources.status.error = error;
      changed();
      await new Promise((again) => setTimeout(again, AGAIN));
    }
  }
  if (!session.authenticated) {
    location.replace("/login");
    return;
  }
  keepToken(session.csrf_token);
  text(byId("who"), [session.name, session.roles.join(", ").replaceAll("_", " ")].filter(Boolean).join(" · "));
  show(byId("log-out"), session.by === "session");
}

async function logOut() {
  try {
    await del("/api/v1/session");
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    announcer.say(error.message);
    return;
  }
  location.replace("/login");
}

begin();
