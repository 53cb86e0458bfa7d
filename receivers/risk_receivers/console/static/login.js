// Logging in. There is no default password: while there is no user, the page says how one is made.
import { ApiError, get, post } from "./api.js";
import { byId, show, text } from "./dom.js";

const form = byId("login");
const refused = byId("refused");

/** Where to go on: a path of this very console. */
const onward = () => location.replace("/");

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (form.getAttribute("aria-busy")) return;
  form.setAttribute("aria-busy", "true");
  text(refused, "");
  const body = { name: byId("name").value.trim(), password: byId("password").value };
  const totp = byId("totp").value.replaceAll(" ", "");
  if (totp) body.totp = totp;
  try {
    await post("/api/v1/session", body);
    onward();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    text(refused, error.message);
    byId("password").select();
  } finally {
    form.removeAttribute("aria-busy");
  }
});

async function begin() {
  try {
    const session = await get("/api/v1/session");
    if (session.authenticated) onward();
    const over = location.hash === "#over" ? "The session is over. Log in to go on." : "";
    text(byId("first"), session.advice || over);
    show(byId("first"), Boolean(session.advice || over));
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    text(refused, error.message);
  }
}

await begin();
