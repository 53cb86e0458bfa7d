// What the API answers, as the panels want it.
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

/** An alert that was told live, in a list of them: in its place if it is there, else at the top. */
export function withAlert(data, alert, keep) {
  const others = data.alerts.filter((one) => one.id !== alert.id);
  if (!keep) return { ...data, alerts: others };
  const index = data.alerts.findIndex((one) => one.id === alert.id);
  if (index >= 0) return { ...data, alerts: data.alerts.with(index, alert) };
  return { ...data, alerts: [alert, ...others] };
}
