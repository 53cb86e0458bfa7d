// Asks the API. Who is not logged in is sent to log in; every other failure comes back as words.
import { learn } from "./clock.js";

const PATIENCE = 10_000;
let token = "";
let isLeaving = false;

/** What a request that changes something has to carry. */
export const keepToken = (csrf) => {
  token = csrf ?? "";
};

export class ApiError extends Error {
  constructor(status, message, { retryAfter = 0, body = {} } = {}) {
    super(message);
    this.status = status;
    this.retryAfter = retryAfter;
    this.body = body;
  }

}

export const get = (path) => ask("GET", path);
export const post = (path, body) => ask("POST", path, body);
export const del = (path, body) => ask("DELETE", path, body);

/** What the API answers. Throws ApiError. */
export async function ask(method, path, body) {
  const headers = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (method !== "GET" && token) headers["X-CSRF-Token"] = token;
  const sentAt = Date.now();
  let response;
  let content;
  try {
    response = await fetch(path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "same-origin",
      cache: "no-store",
      redirect: "error",
      signal: AbortSignal.timeout(PATIENCE),
    });
    learn(response.headers.get("Date"), sentAt, Date.now());
    content = await read(response);
  } catch (error) {
    const late = error.name === "TimeoutError";
    const heard = late ? "The service does not answer in time." : "The service cannot be reached.";
    throw new ApiError(0, method === "GET" ? heard : `${heard} Whether it was done is not known: look before you try again.`);
  }
  if (response.ok) return content;
  if (response.status === 401 && !path.endsWith("/session")) leave();
  const retryAfter = Number(response.headers.get("Retry-After")) || 0;
  throw new ApiError(response.status, said(content, response), { retryAfter, body: content ?? {} });
}

/** Once: each further time would begin the way to the other page anew. */
function leave() {
  if (isLeaving) return;
  isLeaving = true;
  location.replace("/login#over");
}

async function read(response) {
  const kind = response.headers.get("Content-Type") ?? "";
  if (!/[/+]json\b/.test(kind)) return null;
  try {
    return await response.json();
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

function said(content, response) {
  const detail = content?.detail ?? content?.error;
  const words = typeof detail === "string" && detail ? detail : `The service answered ${response.status}.`;
  return words.charAt(0).toUpperCase() + words.slice(1);
}
