// The live stream: frames over a WebSocket. After a break it goes on from the last cursor, so that
// nothing in between is missed. While it is down the sources are polled; nothing waits for it.
import { since, stamp } from "./clock.js";

const FIRST_WAIT = 500;
const LONGEST_WAIT = 30_000;
// Until the service says how often it sends a sign of life. A connection that is silent for longer
// may be half dead: it is opened anew.
const SILENCE = 75_000;

export class Live {
  /** `onFrame(frame)` for each; `onChange()` when the connection comes or goes. */
  constructor(path, { onFrame, onChange }) {
    this.path = path;
    this.onFrame = onFrame;
    this.onChange = onChange;
    this.cursor = null;
    this.isUp = false;
    this.heardAt = null;
    this.wait = FIRST_WAIT;
    this.silence = SILENCE;
    this.socket = null;
    this.timer = 0;
  }

  start() {
    clearTimeout(this.timer);
    const after = this.cursor === null ? "" : `?after=${encodeURIComponent(this.cursor)}`;
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}${this.path}${after}`);
    this.socket = socket;
    socket.addEventListener("message", (event) => this.#heard(socket, event.data));
    socket.addEventListener("close", () => this.#lost(socket));
  }

  /** Now and not after the pause: somebody looks again. */
  hurry() {
    if (this.socket === null) this.start();
    else if (this.isUp && since(this.heardAt) > this.silence) this.socket.close();
  }

  tick() {
    if (this.isUp && since(this.heardAt) > this.silence) this.#lost(this.socket);
  }

  #heard(socket, data) {
    if (socket !== this.socket) return;
    let frame;
    try {
      frame = JSON.parse(data);
    } catch {
      return; // half a frame is none; the cursor stays, and what was missed comes again
    }
    this.heardAt = stamp();
    this.wait = FIRST_WAIT;
    if (!this.isUp) {
      this.isUp = true;
      this.onChange();
    }
    if (frame.heartbeat_seconds) this.silence = 2500 * frame.heartbeat_seconds;
    this.onFrame(frame);
    // After it was used: what fails on the way is sent again.
    if (frame.cursor !== undefined && frame.cursor !== null) this.cursor = frame.cursor;
  }

  #lost(socket) {
    if (socket !== this.socket) return;
    this.socket = null;
    this.isUp = false;
    socket.close();
    // Not everybody at the same moment, when a service comes back.
    const pause = this.wait * (0.5 + Math.random() / 2);
    this.wait = Math.min(this.wait * 2, LONGEST_WAIT);
    this.timer = setTimeout(() => this.start(), pause);
    this.onChange();
  }
}
