// Dialogs: the browser's own, which keep the focus within, close with Esc and give the focus back.
import { byId, h, show, text } from "./dom.js";
import { ApiError } from "./api.js";

let number = 0;

/**
 * Open one. `build(dialog)` puts content into `dialog.body`; what it returns is given the focus.
 * Resolves once it is closed.
 */
export function openDialog({ title, kind = "", build }) {
  number += 1;
  const id = `dialog-${number}`;
  const heading = h("h2", { id }, title);
  const body = h("div", { class: "dialog-body" });
  const refused = h("p", { class: "refused", role: "alert" });
  const close = h("button", { type: "button", class: "quiet dialog-close", "aria-label": "Close" }, "Close");
  const node = h("dialog", { class: `dialog ${kind}`, "aria-labelledby": id }, h("header", {}, heading, close), body, refused);
  // On a phone a dialog may be longer than the screen, and this is its end.
  const refuse = (words) => {
    text(refused, words);
    refused.scrollIntoView({ block: "nearest" });
  };
  // What is behind a modal dialog is told to nobody: what tells of a trip comes along.
  const told = [byId("polite"), byId("assertive")];
  const leave = () => {
    if (node.contains(told[0])) document.body.append(...told);
  };
  const dialog = {
    node,
    body,
    heading,
    isBusy: false,
    close: () => {
      leave();
      node.close();
    },
    refuse,
    /** Other content, and the focus where it returns it. */
    step(content, focus) {
      text(refused, "");
      body.replaceChildren(...content);
      (focus ?? body.querySelector("input, select, textarea, button"))?.focus();
    },
    /** Do something that takes time; what goes wrong is said. Gives null then. */
    async run(form, work) {
      if (dialog.isBusy) return null;
      dialog.isBusy = true;
      text(refused, "");
      form.setAttribute("aria-busy", "true");
      try {
        return { answer: await work() };
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        if (node.open) refuse(error.message);
        else failed(title, error.message);
        return null;
      } finally {
        dialog.isBusy = false;
        form.removeAttribute("aria-busy");
      }
    },
  };
  close.addEventListener("click", dialog.close);
  const opener = document.activeElement;
  byId("dialogs").append(node);
  node.append(...told);
  node.showModal();
  const focus = build(dialog);
  focus?.focus();
  return new Promise((resolve) => {
    node.addEventListener("close", () => {
      leave();
      node.remove();
      stayNear(opener);
      resolve();
    });
  });
}

/** What was done may have hidden the button that opened the dialog: its alert's others take its place. */
function stayNear(opener) {
  const row = opener?.closest(".alert");
  if (!row || document.activeElement !== document.body) return;
  row.querySelector("button:not([hidden])")?.focus({ preventScroll: true });
  if (document.activeElement === document.body) byId("alerts").focus({ preventScroll: true });
}

/** Whoever closed a dialog before the answer came must not think that it was done, or that it was not. */
function failed(title, words) {
  openDialog({
    title: `${title}: not confirmed`,
    build(dialog) {
      const close = h("button", { type: "button", on: { click: dialog.close } }, "Done");
      dialog.refuse(words);
      dialog.body.append(buttons(close));
      return close;
    },
  });
}

/** A labelled field; `hint` stands under it. */
export function field(label, control, hint) {
  const id = control.id || `field-${(number += 1)}`;
  control.id = id;
  const said = hint ? h("p", { class: "hint", id: `${id}-hint` }, hint) : null;
  if (said) control.setAttribute("aria-describedby", said.id);
  return h("div", { class: "field" }, h("label", { for: id }, label), control, said);
}

export const reasonField = (name = "Reason", hint = "It goes on record.") => {
  const control = h("textarea", { name: "reason", rows: 2, maxlength: 500, required: true });
  return { control, node: field(name, control, hint) };
};

export const totpField = (required) => {
  const control = h("input", { name: "totp", inputmode: "numeric", autocomplete: "one-time-code", pattern: "[0-9 ]{6,8}", maxlength: 8, required });
  const code = () => control.value.replaceAll(" ", "");
  return { control, code, node: field("Code of your authenticator", control, required ? "" : "If you have one.") };
};

export const buttons = (...nodes) => h("div", { class: "dialog-buttons" }, nodes);

export function submit(name, kind = "primary") {
  return h("button", { type: "submit", class: kind }, name);
}

export function cancel(dialog, name = "Cancel") {
  return h("button", { type: "button", class: "quiet", on: { click: dialog.close } }, name);
}

/** A form whose submission is `done(event)`; nothing is sent by the browser itself. */
export function form(done, ...children) {
  return h(
    "form",
    {
      on: {
        submit: (event) => {
          event.preventDefault();
          done(event.currentTarget);
        },
      },
    },
    children,
  );
}

/** Counts down in a text until a code is too old; then `over()`. Gives what ends it. */
export function countdown(node, seconds, over) {
  const until = performance.now() + seconds * 1000;
  const tick = () => {
    const left = Math.max(0, Math.ceil((until - performance.now()) / 1000));
    text(node, left ? `This can be confirmed for ${left} s.` : "The time is over: begin anew.");
    show(node, true);
    if (!left || !node.isConnected) {
      clearInterval(timer);
      if (!left && node.isConnected) over();
    }
  };
  const timer = setInterval(tick, 1000);
  tick();
  return () => clearInterval(timer);
}
