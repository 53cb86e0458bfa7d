// What the API answers, as the panels want it.
import { isAcknowledged, isOpen, rank, severityOf } from "./words.js";

const IDENTITY = ["account", "strategy", "venue", "sector", "asset", "symbol"];

/**
 * What limits stand at, and when each account reported last. `before` is what was known until now: the
 * values of an account that fell silent stay, marked as old, for they go missing with its runtime.
 */
export function measuresOf(answer, before = null) {
  const reported = new Map((answer.accounts ?? []).map(({ account, reported_at, stale }) => [account, { account, at: reported_at * 1000, stale }]));
  const limits = limitsOf(answer, reported);
  const [keys, speaking] = [new Set(limits.map((one) => one.key)), new Set(limits.map((one) => one.account))];
  const accounts = [...reported.values()].map((one) => ({ ...one, stale: one.stale || !speaking.has(one.account) }));
  const silent = new Map(accounts.filter((one) => one.stale).map((one) => [one.account, one]));
  const kept = (before?.limits ?? []).filter((one) => silent.has(one.account) && !keys.has(one.key));
  return { accounts, limits: [...limits, ...kept.map((one) => ({ ...one, stale: true, at: silent.get(one.account).at }))] };
}

/** Each value of each limit: its thresholds, the next one, and how near that is. */
function limitsOf(answer, accounts) {
  const found = [];
  for (const limit of answer.limits ?? []) {
    const thresholds = limit.thresholds.map(({ tier, threshold }) => ({ tier, value: threshold }));
    for (const one of limit.values) {
      const reached = thresholds.findIndex((bound) => bound.tier === one.beyond) + 1;
      found.push({
        key: `${limit.limit}|${one.risk_id || JSON.stringify(one.about)}`,
        riskId: one.risk_id,
        account: one.about.account ?? "",
        name: limit.title,
        labels: one.about,
        about: IDENTITY.map((label) => one.about[label]).filter(Boolean).join(" · "),
        isAccount: Object.keys(one.about).every((label) => label === "account" || !one.about[label]),
        value: one.value,
        unit: limit.unit,
        side: limit.side,
        thresholds,
        tier: one.beyond ?? "",
        isTold: one.told ?? false,
        next: thresholds.find((bound) => bound.tier === one.next) ?? null,
        // How worrying: the thresholds that were passed, and how much of the way to the next is gone.
        pressure: one.value === null ? -1 : reached + Math.min(one.used ?? 0, 1),
        // Of whom nobody knows when they reported, nobody knows whether this is new.
        stale: accounts.get(one.about.account ?? "")?.stale ?? Boolean(one.about.account),
        at: accounts.get(one.about.account ?? "")?.at ?? null,
      });
    }
  }
  return found;
}

/** How many alerts of each category. */
export const categoriesOf = (answer) => answer.by_category ?? {};

export const drillsOf = (answer) => answer.drills.map((one) => ({ ...one, at: one.ended_at ?? one.started_at }));

/** What can be stopped beside everything: the accounts and holdings that are measured. */
export function scopesOf(limits) {
  const found = new Set();
  for (const { labels } of limits) {
    for (const label of ["account", "strategy", "venue", "symbol"]) if (labels?.[label]) found.add(`${label}=${labels[label]}`);
  }
  const order = (scope) => ["account", "strategy", "venue", "symbol"].indexOf(scope.split("=")[0]);
  return [...found].sort((a, b) => order(a) - order(b) || (a < b ? -1 : 1));
}

// Of the latest alerts, whatever became of them.
export const LATEST_ALERTS = 100;

// However many are open, so many are asked for at first, and shown; and so many more at a time.
export const FIRST_ALERTS = 12;
export const MORE_ALERTS = 50;
// The service lists no more at once.
export const MOST_ALERTS = 1000;

const sum = (counts) => Object.values(counts).reduce((all, one) => all + one, 0);
/** How many alerts are open, listed or not. */
export const openCount = (open) => Math.max(sum(open.waiting) + sum(open.acknowledged), open.alerts.length);
/** Whether some of them are not listed, as the service said last. */
export const isCut = (open) => open.cut ?? openCount(open) > open.alerts.length;
/** How many of a severity are open. */
export const openOf = (open, severity) => (open.waiting[severity] ?? 0) + (open.acknowledged[severity] ?? 0);

const order = (a, b) => (a > b) - (a < b);
/** As the service lists what is open: what nobody has taken on first, of that the worst, of that the latest. */
export const byUrgency = (a, b) =>
  isAcknowledged(a) - isAcknowledged(b) ||
  rank(severityOf(a)) - rank(severityOf(b)) ||
  order(b.starts_at, a.starts_at) || // of one evaluation they all have the same
  order(a.risk_id, b.risk_id) ||
  order(a.id, b.id);

/** An alert that was told live, among the latest: in its place if it is there, else at the top. */
export function withAlert(data, alert) {
  const index = data.alerts.findIndex((one) => one.id === alert.id);
  return { ...data, alerts: index >= 0 ? data.alerts.with(index, alert) : [alert, ...data.alerts].slice(0, LATEST_ALERTS) };
}

/**
 * The same among those that are open, and in their counts. Where some are not listed, nobody knows
 * whether one of those is new: the next answer counts it. The list grows no longer then.
 */
export function withOpen(data, alert) {
  const before = data.alerts.find((one) => one.id === alert.id);
  const alerts = data.alerts.filter((one) => one !== before);
  if (isOpen(alert)) alerts.push(alert);
  const changed = {
    cut: isCut(data),
    alerts: isCut(data) ? alerts.sort(byUrgency).slice(0, data.alerts.length) : alerts,
    waiting: { ...data.waiting },
    acknowledged: { ...data.acknowledged },
  };
  const add = (one, number) => {
    const counts = isAcknowledged(one) ? changed.acknowledged : changed.waiting;
    counts[severityOf(one)] = Math.max((counts[severityOf(one)] ?? 0) + number, 0);
  };
  if (before) add(before, -1);
  if (isOpen(alert) && (before || !isCut(data))) add(alert, 1);
  return changed;
}
