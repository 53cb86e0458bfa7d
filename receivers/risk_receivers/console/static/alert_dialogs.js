// Taking an alert on, giving it back, and saying something about it.
import { del, post } from "./api.js";
import { local } from "./clock.js";
import { buttons, cancel, field, form, openDialog, submit } from "./dialogs.js";
import { h } from "./dom.js";
import { capital, plain } from "./words.js";

const LASTING = { "": "as the policy says", "30m": "30 minutes", "1h": "1 hour", "2h": "2 hours", "4h": "4 hours", "8h": "8 hours" };

const path = (alert, what) => `/api/v1/alerts/${encodeURIComponent(alert.id).replaceAll("%2F", "/").replaceAll("%3A", ":")}/${what}`;
const about = (alert) =>
  h("p", { class: "dialog-about" }, h("strong", {}, capital(plain(alert.alertname))), ` ${alert.risk_id}. `, alert.annotations?.description ?? "");

const comment = () => h("textarea", { name: "comment", rows: 2, maxlength: 500, required: true });

/** `done(words)` once it is on record. */
export function acknowledge(alert, author, done) {
  return openDialog({
    title: "Acknowledge",
    build(dialog) {
      const words = comment();
      const lasting = h("select", { name: "for" }, Object.entries(LASTING).map(([value, name]) => h("option", { value }, name)));
      const filled = form(
        async (node) => {
          const body = { author, comment: words.value, ...(lasting.value ? { for: lasting.value } : {}) };
          const given = await dialog.run(node, () => post(path(alert, "acknowledge"), body));
          if (!given) return;
          dialog.close();
          done(`Acknowledged until ${local(given.answer.until, { seconds: false })}.`);
        },
        about(alert),
        field("What you do about it", words, "It goes on record and into the silence, with your name."),
        field("Quiet for", lasting),
        h("p", { class: "hint" }, "People are not told of it again meanwhile. A worse threshold is told all the same, and nothing keeps the kill switch from tripping."),
        buttons(submit("Acknowledge"), cancel(dialog)),
      );
      dialog.body.append(filled);
      return words;
    },
  });
}

export function giveBack(alert, author, done) {
  return openDialog({
    title: "Give back",
    build(dialog) {
      const words = comment();
      const filled = form(
        async (node) => {
          const taken = await dialog.run(node, () => del(path(alert, "acknowledge"), { author, comment: words.value }));
          if (!taken) return;
          dialog.close();
          done("Given back; people are told again.");
        },
        about(alert),
        field("Why", words, "It goes on record. The silence ends, and people are told again."),
        buttons(submit("Give back"), cancel(dialog)),
      );
      dialog.body.append(filled);
      return words;
    },
  });
}

export function remark(alert, author, done) {
  return openDialog({
    title: "Comment",
    build(dialog) {
      const words = comment();
      const filled = form(
        async (node) => {
          const said = await dialog.run(node, () => post(path(alert, "comments"), { author, comment: words.value }));
          if (!said) return;
          dialog.close();
          done("The comment is on record.");
        },
        about(alert),
        field("Comment", words, "It goes on record, and changes nothing."),
        buttons(submit("Comment"), cancel(dialog)),
      );
      dialog.body.append(filled);
      return words;
    },
  });
}
