// ClipScatter in the browser. The model is the only truth: pointer, keys and legend write to it, the view redraws. With
// a kernel the model is anywidget's; in exported HTML it is the small one at the end.

const PLANE = { width: 600, height: 460, left: 34, right: 12, top: 10, bottom: 30 };

function clipScatter() {
  function render({ model, el }) {
    const scene = model.get("scene");
    const points = scene.points;
    const plane = drawPlane(model, scene);
    const screen = drawScreen(scene);
    const legend = drawLegend(model, scene);
    const announcement = h("div", { class: "ls-hidden", "aria-live": "polite" });
    const root = h(
      "div",
      { class: "labkit-scatter", role: "group", tabindex: "0", "aria-label": `${scene.title}. ${scene.alt}` },
      h("div", { class: "ls-title" }, scene.title),
      h("div", { class: "ls-body" }, plane.el, h("div", { class: "ls-side" }, ...screen.parts, legend.el)),
      announcement,
    );
    el.replaceChildren(root);

    const show = () => {
      plane.show(model.get("chosen"), model.get("lit"));
      legend.show(model.get("lit"));
    };
    const choose = () => {
      const point = points[model.get("chosen")];
      screen.show(point);
      announcement.textContent = `${scene.classes[point.class].name}, ${point.name}`;
    };
    model.on("change:chosen", show);
    model.on("change:chosen", choose);
    model.on("change:lit", show);
    show();
    choose();
    announcement.textContent = "";

    // As in player.js: earlier than JupyterLab's own keys, and only for those that are ours.
    const keys = (event) => {
      if (root.contains(event.target)) handleKey(event, model, points);
    };
    window.addEventListener("keydown", keys, true);
    return () => {
      window.removeEventListener("keydown", keys, true);
      screen.stop();
    };
  }
  return { render };
}

export default clipScatter;

/** The plane with all points, one unit as long to the right as upwards. */
function drawPlane(model, scene) {
  const { width, height, left, right, top, bottom } = PLANE;
  const [inner, tall] = [width - left - right, height - top - bottom];
  const [low, high] = [0, 1].map((end) => ["x", "y"].map((axis) => extent(scene.points, axis)[end]));
  const room = 1.1; // a margin of a twentieth on either side
  const unit = Math.min(inner / (room * (high[0] - low[0] || 1)), tall / (room * (high[1] - low[1] || 1)));
  const toX = (x) => left + inner / 2 + unit * (x - (low[0] + high[0]) / 2);
  const toY = (y) => top + tall / 2 - unit * (y - (low[1] + high[1]) / 2);
  const el = svg("svg", { class: "ls-plane", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": scene.alt });
  el.append(svg("rect", { class: "ls-frame", x: left, y: top, width: inner, height: tall }));
  if (left < toX(0) && toX(0) < left + inner) el.append(svg("path", { class: "ls-zero", d: `M${toX(0)},${top}v${tall}` }));
  if (top < toY(0) && toY(0) < top + tall) el.append(svg("path", { class: "ls-zero", d: `M${left},${toY(0)}h${inner}` }));
  const names = [
    svg("text", { x: left + inner / 2, y: height - 8, "text-anchor": "middle" }),
    svg("text", { transform: `translate(20 ${top + tall / 2}) rotate(-90)`, "text-anchor": "middle" }),
  ];
  names.forEach((name, axis) => (name.textContent = scene.axes[axis]));
  el.append(...names);

  const marks = scene.points.map((point, index) => {
    const { symbol, colour } = scene.classes[point.class];
    const mark = svg("path", { class: "ls-point", d: SHAPES[symbol], fill: colour });
    mark.setAttribute("transform", `translate(${toX(point.x).toFixed(1)} ${toY(point.y).toFixed(1)})`);
    mark.addEventListener("pointerenter", () => change(model, { chosen: index }));
    mark.addEventListener("click", () => change(model, { chosen: index }));
    return mark;
  });
  el.append(...marks);
  const show = (chosen, lit) => {
    marks.forEach((mark, index) => {
      mark.classList.toggle("ls-back", lit >= 0 && scene.points[index].class !== lit);
      mark.classList.toggle("ls-chosen", index === chosen);
    });
  };
  return { el, show };
}

const ROUNDS = 3; // how often a clip plays before it rests; a click plays it again

/** The clip of the chosen point; it stands still for those who asked their system for less motion. */
function drawScreen(scene) {
  const canvas = h("canvas", { role: "img" });
  const kind = h("div", { class: "ls-class" });
  const name = h("div", { class: "ls-name" });
  const still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  const picture = new Image();
  let timer;
  let frame = 0;
  let point;
  const paint = () => {
    const context = canvas.getContext("2d");
    context.drawImage(picture, frame * point.width, 0, point.width, point.height, 0, 0, point.width, point.height);
  };
  const play = () => {
    clearInterval(timer);
    [canvas.width, canvas.height] = [point.width, point.height];
    frame = still ? Math.floor(point.frames / 2) : 0;
    paint();
    let left = still ? 0 : ROUNDS * point.frames;
    timer = setInterval(() => {
      if (--left <= 0) return clearInterval(timer);
      frame = (frame + 1) % point.frames;
      paint();
    }, 1000 / scene.fps);
  };
  picture.onload = play;
  canvas.addEventListener("click", play);
  const show = (next) => {
    point = next;
    picture.src = point.source;
    kind.textContent = scene.classes[point.class].name;
    name.textContent = point.name;
    canvas.setAttribute("aria-label", `${kind.textContent}: ${point.name}`);
  };
  return { parts: [canvas, kind, name], show, stop: () => clearInterval(timer) };
}

/** A button a class: a press lets it stand out, another one undoes that. */
function drawLegend(model, scene) {
  const buttons = scene.classes.map(({ name, colour, symbol }, index) => {
    const mark = svg("svg", { viewBox: "-8 -8 16 16", "aria-hidden": "true" });
    mark.append(svg("path", { d: SHAPES[symbol], fill: colour }));
    const onclick = () => change(model, { lit: model.get("lit") === index ? -1 : index });
    return h("button", { type: "button", title: `Let ${name} stand out`, onclick }, mark, name);
  });
  const show = (lit) => buttons.forEach((button, index) => button.setAttribute("aria-pressed", index === lit));
  return { el: h("div", { class: "ls-legend", role: "group", "aria-label": "Classes" }, ...buttons), show };
}

/** Right and left: the clips of a class, one after the other; down and up: the first clip of the next class. */
function handleKey(event, model, points) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
  const chosen = model.get("chosen");
  const kinds = [...new Set(points.map((point) => point.class))].sort((a, b) => a - b);
  const members = points.map((_, index) => index).filter((index) => points[index].class === points[chosen].class);
  const along = (step) => members.at((members.indexOf(chosen) + step) % members.length);
  const across = (step) => {
    const kind = kinds.at((kinds.indexOf(points[chosen].class) + step) % kinds.length);
    return points.findIndex((point) => point.class === kind);
  };
  const goals = {
    ArrowRight: () => along(1),
    ArrowLeft: () => along(-1),
    ArrowDown: () => across(1),
    ArrowUp: () => across(-1),
  };
  if (!(event.key in goals)) return;
  event.stopPropagation();
  event.preventDefault(); // no scrolling
  change(model, { chosen: goals[event.key]() });
}

/** Set several values at once and tell the kernel, if there is one. */
function change(model, values) {
  for (const [name, value] of Object.entries(values)) model.set(name, value);
  model.save_changes();
}

const SHAPES = {
  circle: "M-5,0a5,5 0 1 0 10,0a5,5 0 1 0 -10,0z",
  square: "M-4.5,-4.5h9v9h-9z",
  triangle: "M0,-5.6l5.6,9.8h-11.2z",
  diamond: "M0,-6.4l6.4,6.4l-6.4,6.4l-6.4,-6.4z",
  cross: "M-2,-6h4v4h4v4h-4v4h-4v-4h-4v-4h4z",
};

function extent(points, axis) {
  const values = points.map((point) => point[axis]);
  return [Math.min(...values), Math.max(...values)];
}

function h(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

function svg(tag, attributes) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
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

/** Draw the figure whose state lies as JSON in `place`. Called by the fragment that `to_html` writes. */
function mountClipScatter(place) {
  place.setAttribute("data-taken", "");
  const model = pageModel(JSON.parse(place.querySelector("script[type='application/json']").textContent));
  const el = document.createElement("div");
  place.append(el);
  clipScatter().render({ model, el });
}
