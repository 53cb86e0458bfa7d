// Taking an alert on, giving it back, what happened to it so far, and saying something about it.
import { ApiError, del, get, post } from "./api.js";
import { local, showTime } from "./clock.js";
import { buttons, cancel, field, form, openDialog, submit } from "./dialogs.js";
import { h } from "./dom.js";
import { capital, plain } from "./words.js";

const LASTING = { "": "as the policy says", "30m": "30 minutes", "1h": "1 hour", "2h": "2 hours", "4h": "4 hours", "8h": "8 hours" };

const path = (alert, what) => `/api/v1/alerts/${encodeURIComponent(alert.id).replaceAll("%2F", "/").replaceAll("%3A", ":")}${what ? `/${what}` : ""}`;
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

/** What is on record about an alert, and a comment for whoever may make one. */
export function remark(alert, author, done, may) {
  return openDialog({
    title: may ? "Comment" : "History",
    build(dialog) {
      const story = h("div", { class: "story", tabindex: "0", role: "region", "aria-label": "What happened so far" }, h("p", { class: "hint" }, "Asking what happened so far."));
      tellStory(story, alert);
      if (!may) {
        const close = h("button", { type: "button", on: { click: dialog.close } }, "Done");
        dialog.body.append(h("div", { class: "parts" }, about(alert), story, buttons(close)));
        return close;
      }
      const words = comment();
      const filled = form(
        async (node) => {
          const said = await dialog.run(node, () => post(path(alert, "comments"), { author, comment: words.value }));
          if (!said) return;
          dialog.close();
          done("The comment is on record.");
        },
        about(alert),
        story,
        field("Comment", words, "It goes on record, and changes nothing."),
        buttons(submit("Comment"), cancel(dialog)),
      );
      dialog.body.append(filled);
      return words;
    },
  });
}

async function tellStory(node, alert) {
  try {
    const { timeline } = await get(path(alert, ""));
    const events = timeline.events.map((one) => h("li", {}, showTime(h("time", {}), one.header.recorded_at), " ", eventWords(one)));
    const rest = timeline.complete ? null : h("p", { class: "hint" }, "There is more on record: riskwarden audit query.");
    node.replaceChildren(h("ol", {}, events), ...(rest ? [rest] : []));
    node.scrollTop = node.scrollHeight;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    node.replaceChildren(h("p", { class: "hint" }, `What happened so far is not known: ${error.message}`));
  }
}

function eventWords({ header, payload }) {
  if (!payload) return `${capital(plain(header.event_type))}; the rest was deleted when it was due.`;
  const why = payload.action_reason && !payload.message.includes(payload.action_reason) ? `: ${payload.action_reason}` : "";
  return `${capital(payload.message)}${why}`;
}
