// ClipScatter in the browser.

const PLANE = { width: 600, height: 460, left: 34, right: 12, top: 10, bottom: 30 };

export default function figure() {
  function render({ model, el }) {
    const scene = model.get("scene");
    const points = scene.points;
    const plane = drawPlane(model, scene);
    const screen = drawScreen(scene);
    const legend = drawLegend(model, scene);
    const { root, say } = drawCard(
      el,
      "scatter",
      scene,
      [],
      h("div", { class: "ls-body" }, plane.el, h("div", { class: "ls-side" }, ...screen.parts, legend.el)),
    );

    const show = () => {
      plane.show(model.get("chosen"), model.get("lit"));
      legend.show(model.get("lit"));
    };
    const choose = () => {
      const point = points[model.get("chosen")];
      screen.show(point);
      say(`${scene.classes[point.class].name}, ${point.name}`);
    };
    after(model, ["chosen", "lit"], show);
    after(model, ["chosen"], choose);
    show();
    screen.show(points[model.get("chosen")]);

    const stop = listenForKeys(root, keys(model, points));
    return () => {
      stop();
      screen.stop();
    };
  }
  return { render };
}

/** The plane with all points, one unit as long to the right as upwards. */
function drawPlane(model, scene) {
  const { width, height, left, right, top, bottom } = PLANE;
  const [inner, tall] = [width - left - right, height - top - bottom];
  const [xs, ys] = ["x", "y"].map((axis) => scene.points.map((point) => point[axis]));
  const [low, high] = [Math.min, Math.max].map((end) => [end(...xs), end(...ys)]);
  const room = 1.1; // a margin of a twentieth on either side
  const unit = Math.min(inner / (room * (high[0] - low[0] || 1)), tall / (room * (high[1] - low[1] || 1)));
  const toX = (x) => left + inner / 2 + unit * (x - (low[0] + high[0]) / 2);
  const toY = (y) => top + tall / 2 - unit * (y - (low[1] + high[1]) / 2);
  const el = svg("svg", { class: "ls-plane", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": scene.alt });
  el.append(svg("rect", { class: "ls-frame", x: left, y: top, width: inner, height: tall }));
  if (left < toX(0) && toX(0) < left + inner) el.append(svg("path", { class: "ls-zero", d: `M${toX(0)},${top}v${tall}` }));
  if (top < toY(0) && toY(0) < top + tall) el.append(svg("path", { class: "ls-zero", d: `M${left},${toY(0)}h${inner}` }));
  const [across, upwards] = scene.axes;
  const turned = `translate(20 ${top + tall / 2}) rotate(-90)`;
  el.append(svg("text", { x: left + inner / 2, y: height - 8, "text-anchor": "middle" }, across));
  el.append(svg("text", { transform: turned, "text-anchor": "middle" }, upwards));

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

/** The clip of the chosen point; it does not play for those who asked their system for less motion. */
function drawScreen(scene) {
  const canvas = h("canvas", { role: "img" });
  const kind = h("div", { class: "ls-class" });
  const name = h("div", { class: "ls-name" });
  const still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  const image = new Image();
  let timer;
  let frame = 0;
  let point;
  const paint = () => {
    const context = canvas.getContext("2d");
    context.drawImage(image, frame * point.width, 0, point.width, point.height, 0, 0, point.width, point.height);
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
  image.onload = play;
  canvas.addEventListener("click", play);
  const show = (next) => {
    point = next;
    image.src = point.source;
    kind.textContent = scene.classes[point.class].name;
    name.textContent = point.name;
    canvas.setAttribute("aria-label", `${kind.textContent}: ${point.name}`);
  };
  return { parts: [canvas, kind, name], show, stop: () => clearInterval(timer) };
}

/** A button a class: a press lets it stand out, another one undoes that. */
function drawLegend(model, scene) {
  const buttons = scene.classes.map(({ name, colour, symbol }, index) => {
    const shape = svg("path", { d: SHAPES[symbol], fill: colour });
    const mark = svg("svg", { viewBox: "-8 -8 16 16", "aria-hidden": "true" }, shape);
    const onclick = () => change(model, { lit: model.get("lit") === index ? -1 : index });
    return h("button", { type: "button", title: `Let ${name} stand out`, onclick }, mark, name);
  });
  const show = (lit) => buttons.forEach((button, index) => button.setAttribute("aria-pressed", index === lit));
  return { el: h("div", { class: "ls-legend", role: "group", "aria-label": "Classes" }, ...buttons), show };
}

/** Right and left: the clips of a class, one after the other; down and up: the first clip of the next class. */
function keys(model, points) {
  const kinds = [...new Set(points.map((point) => point.class))].sort((a, b) => a - b);
  const kind = () => points[model.get("chosen")].class;
  const along = (step) => () => {
    const members = points.map((_, index) => index).filter((index) => points[index].class === kind());
    change(model, { chosen: members.at((members.indexOf(model.get("chosen")) + step) % members.length) });
  };
  const across = (step) => () => {
    const next = kinds.at((kinds.indexOf(kind()) + step) % kinds.length);
    change(model, { chosen: points.findIndex((point) => point.class === next) });
  };
  return { ArrowRight: along(1), ArrowLeft: along(-1), ArrowDown: across(1), ArrowUp: across(-1) };
}

const SHAPES = {
  circle: "M-5,0a5,5 0 1 0 10,0a5,5 0 1 0 -10,0z",
  square: "M-4.5,-4.5h9v9h-9z",
  triangle: "M0,-5.6l5.6,9.8h-11.2z",
  diamond: "M0,-6.4l6.4,6.4l-6.4,6.4l-6.4,-6.4z",
  cross: "M-2,-6h4v4h4v4h-4v4h-4v-4h-4v-4h4z",
};
