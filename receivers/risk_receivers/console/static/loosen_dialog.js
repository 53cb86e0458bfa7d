// Clearing or disarming the kill switch, resuming trading: two steps, the second perhaps by somebody
// else. Arming it again loosens nothing and takes one.
import { post } from "./api.js";
import { buttons, cancel, countdown, field, form, openDialog, reasonField, submit, totpField } from "./dialogs.js";
import { h } from "./dom.js";
import { covers } from "./words.js";

const KILL_SWITCH = "/api/v1/system/kill-switch";

/** What there is to loosen: where it is asked, and what that means in words. */
export const LOOSENINGS = {
  clear: (kill) => ({
    title: "Clear the kill switch",
    path: `${KILL_SWITCH}/clear`,
    body: { kill_id: kill.kill_id },
    means: `The kill for ${covers(kill.scope)} ends (${kill.cause ?? "no cause told"}). Orders that add risk pass again as far as nothing else holds them.`,
    act: "Clear it",
    over: "The kill switch is cleared.",
  }),
  disarm: () => ({
    title: "Disarm the kill switch",
    path: `${KILL_SWITCH}/disarm`,
    body: {},
    means: "From then on no alert trips it, only people do. It stays so until somebody arms it again.",
    act: "Disarm it",
    over: "The kill switch is disarmed.",
  }),
  resume: (held) => ({
    title: "Resume trading",
    path: `/api/v1/restrictions/${encodeURIComponent(held.id)}/resume`,
    body: {},
    means: `${held.kind.replaceAll("_", " ")} for ${covers(held.scope)} ends (${held.cause}).`,
    act: "Resume",
    over: "Trading is resumed.",
  }),
};

export function loosenDialog(what, { author, needsTotp, done }) {
  return openDialog({
    title: what.title,
    build(dialog) {
      const first = asking(dialog, what, { author, needsTotp, done });
      dialog.body.append(first.node);
      return first.focus;
    },
  });
}

function asking(dialog, what, { author, needsTotp, done }) {
  const reason = reasonField();
  const code = h("input", { name: "code", autocomplete: "off", spellcheck: "false", maxlength: 200 });
  const node = form(
    async (filled) => {
      const wanted = { ...what.body, actor: author, reason: reason.control.value };
      if (code.value.trim()) {
        confirming(dialog, what, { wanted, code: code.value.trim(), needsTotp, done });
        return;
      }
      const asked = await dialog.run(filled, () => post(what.path, wanted));
      if (!asked) return;
      const { answer } = asked;
      if (answer.needs_second_person) handedOn(dialog, what, answer);
      else confirming(dialog, what, { wanted, code: answer.confirmation, needsTotp: answer.needs_totp || needsTotp, seconds: answer.expires_in_seconds, done });
    },
    h("p", { class: "dialog-about" }, what.means),
    reason.node,
    h("details", {}, h("summary", {}, "Somebody else asked, and gave me a code"), field("Their code", code, "Give the very reason that they gave.")),
    h("p", { class: "hint" }, "Nothing happens yet: it takes a second step."),
    buttons(submit("Go on"), cancel(dialog)),
  );
  return { node, focus: reason.control };
}

/** The second step is somebody else's. */
function handedOn(dialog, what, answer) {
  const time = h("p", { class: "hint" });
  const close = h("button", { type: "button", on: { click: dialog.close } }, "Done");
  dialog.step(
    [
      h("p", {}, "Somebody else has to confirm this, logged in as themselves: with this code and the very same reason."),
      h("p", { class: "code" }, answer.confirmation),
      time,
      buttons(close),
    ],
    close,
  );
  countdown(time, answer.expires_in_seconds, () => {});
}

function confirming(dialog, what, { wanted, code, needsTotp, seconds, done }) {
  const sure = h("input", { type: "checkbox", name: "sure", id: "sure", required: true });
  // Whether a code of somebody else's takes one is only known once it is sent.
  const totp = needsTotp || seconds === undefined ? totpField(needsTotp) : null;
  const time = h("p", { class: "hint" });
  const act = submit(what.act, "danger");
  const node = form(
    async (filled) => {
      const body = { ...wanted, confirmation: code, ...(totp?.code() ? { totp: totp.code() } : {}) };
      const loosened = await dialog.run(filled, () => post(what.path, body));
      if (!loosened) return;
      dialog.close();
      done(what.over);
    },
    h("p", { class: "dialog-about" }, what.means),
    h("p", { class: "check" }, sure, h("label", { for: "sure" }, "I have looked, and this is what I want.")),
    totp?.node,
    time,
    buttons(act, cancel(dialog)),
  );
  dialog.step([node], sure);
  if (seconds !== undefined) countdown(time, seconds, () => {
    act.setAttribute("disabled", "");
    dialog.refuse("The time is over. Close this and begin anew.");
  });
}

/** One step: it makes nothing looser. */
export function armDialog({ author, done }) {
  return openDialog({
    title: "Arm the kill switch",
    build(dialog) {
      const reason = reasonField();
      dialog.body.append(
        form(
          async (filled) => {
            const armed = await dialog.run(filled, () => post(`${KILL_SWITCH}/arm`, { actor: author, reason: reason.control.value }));
            if (!armed) return;
            dialog.close();
            done("The kill switch is armed.");
          },
          h("p", { class: "dialog-about" }, "From then on alerts trip it again. What still holds then trips it at once."),
          reason.node,
          buttons(submit("Arm it"), cancel(dialog)),
        ),
      );
      return reason.control;
    },
  });
}
