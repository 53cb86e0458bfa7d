// The kill switch by hand: what is wanted, then exactly what would happen to which positions, then
// the word, the code and the trip. The second step shows what the service says and nothing else.
import { post } from "./api.js";
import { buttons, cancel, countdown, field, form, openDialog, reasonField, submit, totpField } from "./dialogs.js";
import { h } from "./dom.js";
import { capital, count, covers, digits, MODES } from "./words.js";

const PATH = "/api/v1/system/kill-switch";
const HAPPENS = { pause: "stays open", graceful: "is closed at its target", immediate: "is closed now" };

/** `scopes`: what may be chosen beside everything. `done(words)` once it is tripped. */
export function tripDialog({ scopes, author, needsTotp, done }) {
  return openDialog({
    title: "Stop trading",
    kind: "danger",
    build(dialog) {
      const first = firstStep(dialog, { scopes, author, needsTotp, done });
      dialog.body.append(first.node);
      return first.focus;
    },
  });
}

function firstStep(dialog, { scopes, author, needsTotp, done }) {
  const scope = h("select", { name: "scope" }, ["*", ...scopes].map((value) => h("option", { value }, value === "*" ? "Everything" : covers(value))));
  const reason = reasonField();
  const modes = h(
    "fieldset",
    { class: "modes" },
    h("legend", {}, "Mode"),
    Object.entries(MODES).map(([value, means]) => [
      h("input", { type: "radio", name: "mode", id: `mode-${value}`, value, required: true }),
      h("label", { for: `mode-${value}` }, h("strong", {}, value), " ", means),
    ]),
  );
  const node = form(
    async (filled) => {
      const wanted = { scope: scope.value, mode: new FormData(filled).get("mode"), reason: reason.control.value, actor: author };
      const shown = await dialog.run(filled, () => post(PATH, wanted));
      if (shown) secondStep(dialog, { wanted, preview: shown.answer, needsTotp, back: filled, done });
    },
    field("What it covers", scope),
    modes,
    reason.node,
    h("p", { class: "hint" }, "Nothing happens yet: the next step shows what would."),
    buttons(submit("Show what would happen"), cancel(dialog)),
  );
  return { node, focus: scope };
}

function secondStep(dialog, { wanted, preview, needsTotp, back, done }) {
  const word = h("input", { name: "word", autocomplete: "off", autocapitalize: "characters", spellcheck: "false", required: true, maxlength: 40 });
  const expected = preview.word;
  const totp = preview.needs_totp || needsTotp ? totpField(true) : null;
  const time = h("p", { class: "hint" });
  const stop = submit("Stop trading now", "danger");
  const again = () => dialog.step([back], back.querySelector("select"));
  const node = form(
    async (filled) => {
      if (word.value.trim().toUpperCase() !== expected) {
        word.focus();
        dialog.refuse(`Type ${expected}, as it is written.`);
        return;
      }
      const body = { ...wanted, confirmation: preview.confirmation, word: word.value.trim(), ...(totp ? { totp: totp.code() } : {}) };
      const tripped = await dialog.run(filled, () => post(PATH, body));
      if (!tripped) return;
      ended();
      dialog.close();
      done(`The kill switch is tripped for ${covers(wanted.scope)}.`);
    },
    consequences(wanted, preview),
    field(`Type ${expected}`, word),
    totp?.node,
    time,
    buttons(stop, h("button", { type: "button", on: { click: () => (ended(), again()) } }, "Back"), cancel(dialog)),
    h("p", { class: "hint" }, "Should this page fail you: ", h("code", {}, "riskwarden kill"), "."),
  );
  dialog.step([node], word);
  const ended = countdown(time, preview.expires_in_seconds, () => {
    stop.setAttribute("disabled", "");
    dialog.refuse("What is shown is too old to be confirmed. Go back and have it shown anew.");
  });
}

/** What the service says would happen, position by position. */
function consequences(wanted, preview) {
  const parts = [
    h("p", { class: "dialog-about" }, h("strong", {}, `Mode ${wanted.mode}, covers ${covers(wanted.scope)}`)),
    h("ol", { class: "steps" }, preview.steps.map((step) => h("li", {}, capital(step)))),
  ];
  if (preview.unknown) parts.push(h("p", { class: "warning-line" }, `${capital(preview.unknown)}.`));
  if (preview.positions === null) parts.push(h("p", { class: "warning-line" }, "Which positions there are is not known. It stops all the same."));
  else if (!preview.positions.length) parts.push(h("p", {}, "Prometheus knows of no position that it covers."));
  else parts.push(positionTable(preview.positions, wanted.mode));
  return h("div", { class: "consequences" }, parts);
}

function positionTable(positions, mode) {
  const row = ({ account, symbol, notional, currency }) => [
    [h("strong", {}, symbol), h("span", { class: "row-line" }, ` ${account}`)],
    notional === null ? "unknown" : `${notional < 0 ? "short" : "long"} ${amount(notional, currency)}`,
    HAPPENS[mode],
  ];
  return h(
    "div",
    { class: "table", tabindex: "0", role: "region", "aria-label": "Positions" },
    h(
      "table",
      {},
      h("caption", {}, `It covers ${count(positions.length, "position")}`),
      h("thead", {}, h("tr", {}, ["Position", "Holds", "What happens"].map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", {}, positions.map((one) => h("tr", {}, row(one).map((value) => h("td", {}, value))))),
    ),
  );
}

const amount = (notional, currency) => `${digits(Math.abs(notional))} ${currency}`;
