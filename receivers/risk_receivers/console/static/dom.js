// Builds and updates elements. Data only ever becomes text or an attribute, never markup.
const SVG = "http://www.w3.org/2000/svg";
const kept = new WeakMap();

/** An HTML element: attributes, listeners under `on`, children that are nodes or text. */
export function h(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** The same for SVG. */
export function s(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(node, attributes, children) {
  const { on, ...plain } = attributes;
  set(node, plain);
  for (const [name, listener] of Object.entries(on ?? {})) node.addEventListener(name, listener);
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/**
 * Attributes; null takes one away. Those that are either there or not take true and false, of others
 * that is their text. Only what changes is touched.
 */
export function set(node, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    const isText = /^(data|aria)-/.test(name);
    if (value === null || value === undefined || (value === false && !isText)) node.removeAttribute(name);
    else {
      const wanted = value === true && !isText ? "" : String(value);
      if (node.getAttribute(name) !== wanted) node.setAttribute(name, wanted);
    }
  }
  return node;
}

/** The text of a node, touched only if it changes: screen readers and selections stay calm. */
export function text(node, value) {
  const wanted = value === null || value === undefined ? "" : String(value);
  if (node.textContent !== wanted) node.textContent = wanted;
  return node;
}

export function show(node, visible) {
  if (node.hidden === visible) node.hidden = !visible;
  return node;
}

/**
 * One child per item, in their order. Those that stay keep their node, and with it the focus.
 * `make(item)` gives an object with `node`; `update(made, item)` brings it up to date.
 */
export function each(parent, items, keyOf, make, update) {
  const before = kept.get(parent) ?? new Map();
  const after = new Map();
  const focused = parent.contains(document.activeElement) ? document.activeElement : null;
  for (const item of items) {
    const key = String(keyOf(item));
    if (after.has(key)) continue;
    const made = before.get(key) ?? make(item);
    update(made, item);
    after.set(key, made);
  }
  for (const [key, made] of before) if (!after.has(key)) made.node.remove();
  let place = parent.firstChild;
  for (const { node } of after.values()) {
    if (node === place) place = place.nextSibling;
    else parent.insertBefore(node, place);
  }
  if (focused?.isConnected && focused !== document.activeElement) focused.focus({ preventScroll: true });
  kept.set(parent, after);
}

export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found;
}
