// What the scripts of all widgets begin with. The model is the only truth: controls write to it, the view redraws. With a
// kernel the model is anywidget's; in exported HTML it is `pageModel`.

// ------------------------------------------------------------------------------------------------------------ pieces

function h(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

function svg(tag, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Draw the frame of a widget around its parts, below the title and what stands beside it; `say` is for listeners. */
function drawCard(el, name, { title, alt }, beside, ...parts) {
  const announcement = h("div", { class: "lab-hidden", "aria-live": "polite" });
  const attributes = { class: `labkit-widget labkit-${name}`, role: "group", tabindex: "0" };
  const head = h("div", { class: "lab-head" }, h("div", { class: "lab-title" }, title), ...beside);
  const root = h("div", { ...attributes, "aria-label": `${title}. ${alt}` }, head, ...parts, announcement);
  el.replaceChildren(root);
  return { root, say: (text) => (announcement.textContent = text) };
}

/** Buttons of which one is pressed; the first nine have digits as keys, see `digits`. */
function drawSwitch(label, choices, choose) {
  const buttons = choices.map((name, index) => {
    const title = index < 9 ? `${name} (key ${index + 1})` : name;
    return h("button", { type: "button", title, onclick: () => choose(name) }, name);
  });
  const show = (name) => buttons.forEach((button, index) => button.setAttribute("aria-pressed", choices[index] === name));
  return { el: h("div", { class: "lab-switch", role: "group", "aria-label": label }, ...buttons), show };
}

/** Keys for a switch. */
function digits(choices, choose) {
  return Object.fromEntries(choices.slice(0, 9).map((name, index) => [index + 1, () => choose(name)]));
}

/** A slider over whole numbers. */
function drawSlider(label, low, high, choose) {
  const el = h("input", { type: "range", min: low, max: high, step: 1, "aria-label": label });
  el.oninput = () => choose(Number(el.value));
  const show = (value) => {
    el.value = value;
    el.style.setProperty("--lab-done", `${(100 * (value - low)) / Math.max(high - low, 1)}%`);
  };
  return { el, show };
}

/** Small images of which one is chosen: radio buttons, a single stop for the tab key; arrow keys choose the next. */
function drawPicker(label, images, choose) {
  const radios = images.map((_, index) => h("input", { type: "radio", name: "image", onchange: () => choose(index) }));
  const labels = images.map(({ name, source }, index) =>
    h("label", { title: name }, radios[index], h("img", { src: source, alt: name })),
  );
  const show = (chosen) => radios.forEach((radio, index) => (radio.checked = index === chosen));
  // A form of its own: another group of the same name does not mix with it.
  const attributes = { class: "lab-picker", role: "radiogroup", "aria-label": label, onsubmit: () => false };
  return { el: h("form", attributes, ...labels), show };
}

// ------------------------------------------------------------------------------------------------------ what is done

/** The index of the number that is nearest to a value, the first of equals. */
function nearest(numbers, value) {
  const away = numbers.map((number) => Math.abs(number - value));
  return away.indexOf(Math.min(...away));
}

function percent(fraction) {
  return `${Math.round(100 * fraction)} %`;
}

/** A number, or the end of 0 to `last` that it lies beyond. */
function within(value, last) {
  return Math.min(Math.max(value, 0), last);
}

/** Set several values together and tell the kernel, if there is one. */
function change(model, values) {
  for (const [name, value] of Object.entries(values)) model.set(name, value);
  model.save_changes();
}

/** Call `react` after a change of any of these. */
function after(model, names, react) {
  for (const name of names) model.on(`change:${name}`, react);
}

/**
 * Listen for keys pressed within `root`; `actions` tells what each does. What a control does with a key by itself stays
 * with the control. Returns how to stop.
 *
 * JupyterLab's own keys are caught at the document, on the way down to the widget. To be earlier, and only for the keys
 * that are ours, listen at `window`; every other shortcut (save, run the cell…) reaches JupyterLab.
 */
function listenForKeys(root, actions) {
  const listen = (event) => {
    if (!root.contains(event.target) || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    const native = isNative(event);
    if (!native && !(event.key in actions)) return;
    event.stopPropagation();
    if (native) return;
    event.preventDefault(); // no scrolling
    actions[event.key]();
  };
  window.addEventListener("keydown", listen, true);
  return () => window.removeEventListener("keydown", listen, true);
}

const MOVES = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End", "PageUp", "PageDown"];

/** Whether the control with the focus has a use of its own for a key. */
function isNative({ target, key }) {
  if (target.tagName === "SELECT") return key !== "Escape" && key !== "Tab";
  if (target.tagName === "BUTTON") return key === " " || key === "Enter";
  return target.tagName === "INPUT" && (MOVES.includes(key) || (target.type === "radio" && key === " "));
}

// ---------------------------------------------------------------------------------------------------- without kernel

/** A model that lives in the page alone. */
function pageModel(state) {
  const listeners = {};
  return {
    get: (name) => state[name],
    set(name, value) {
      if (state[name] === value) return;
      state[name] = value;
      listeners[`change:${name}`]?.forEach((listener) => listener());
    },
    save_changes() {},
    on: (event, listener) => (listeners[event] ??= []).push(listener),
  };
}

/** Draw a widget whose state lies as JSON in `place`. Called by the fragment that `to_html` writes. */
function mount(widget, place) {
  place.setAttribute("data-taken", "");
  const model = pageModel(JSON.parse(place.querySelector("script[type='application/json']").textContent));
  const el = document.createElement("div");
  place.append(el);
  widget.initialize?.({ model });
  widget.render({ model, el });
}
