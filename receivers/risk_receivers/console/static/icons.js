// A shape for each severity and state: what a colour says, a form says too.
import { s } from "./dom.js";

const SHAPES = {
  emergency: "M5 1h6l4 4v6l-4 4H5l-4-4V5z",
  critical: "M8 .6 15.4 8 8 15.4.6 8z",
  warning: "M8 1.2 15.4 14.6H.6z",
  info: "M8 1a7 7 0 1 1 0 14A7 7 0 0 1 8 1z",
  debug: "M8 4a4 4 0 1 1 0 8 4 4 0 0 1 0-8z",
  safe: "M8 .8 14.6 3v5c0 3.6-2.6 6.2-6.6 7.4C4 14.2 1.4 11.6 1.4 8V3z",
  stopped: "M5 1h6l4 4v6l-4 4H5l-4-4V5z",
  unknown: "M8 1a7 7 0 1 1 0 14A7 7 0 0 1 8 1z",
};
// Drawn into the shape, in the colour of what is behind it.
const SIGNS = {
  emergency: "M8 4.2v4.6M8 11.2v.2",
  critical: "M8 4.4v4.2M8 11v.2",
  warning: "M8 6v4M8 12.2v.2",
  info: "M8 7.4v4M8 4.8v.2",
  debug: "",
  safe: "M5 8l2.2 2.2L11.2 6",
  stopped: "M4.6 8h6.8",
  unknown: "M6 6.2a2 2 0 1 1 2.8 1.9c-.6.3-.8.6-.8 1.3M8 11.6v.2",
};

/** An icon. What it means has to stand beside it as text. */
export function icon(name) {
  const drawn = s(
    "svg",
    { viewBox: "0 0 16 16", class: "icon", "aria-hidden": "true", focusable: "false" },
    s("path", { class: "icon-shape" }),
    s("path", { class: "icon-sign" }),
  );
  return reshape(drawn, name);
}

export function reshape(drawn, name) {
  if (drawn.dataset.shape !== name) {
    drawn.dataset.shape = name;
    drawn.firstChild.setAttribute("d", SHAPES[name] ?? SHAPES.unknown);
    drawn.lastChild.setAttribute("d", SIGNS[name] ?? SIGNS.unknown);
  }
  return drawn;
}

/** The same shape inside another drawing, around a place. */
export function mark(name, size) {
  const scale = size / 16;
  return s("path", {
    d: SHAPES[name] ?? SHAPES.unknown,
    transform: `translate(${-size / 2} ${-size / 2}) scale(${scale})`,
  });
}
