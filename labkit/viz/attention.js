// AttentionExplorer in the browser.

export default function figure() {
  function render({ model, el }) {
    const scene = model.get("scene");
    const last = scene.frames.length - 1;
    const toFrame = (value) => change(model, { frame: within(value, last) });
    const toConcept = (name) => change(model, { concept: name });
    const slider = drawSlider("frame", 0, last, toFrame);
    const text = h("span", { class: "lab-number" });
    const choice = drawSwitch("concept", scene.concepts, toConcept);
    const image = drawMap(scene);
    const bars = scene.energies.map((rule) => drawBars(scene, rule));
    const curves = scene.energies.map((rule) => drawCurves(scene, rule, toFrame));
    const { root, say } = drawCard(
      el,
      "attention",
      scene,
      [choice.el],
      h("label", { class: "la-slider" }, "frame", slider.el, text),
      h(
        "div",
        { class: "la-body" },
        image.el,
        ...bars.map((one, index) => h("section", {}, h("b", {}, scene.energies[index].name), one.el, curves[index].el)),
      ),
    );

    const show = () => {
      const [frame, name] = [model.get("frame"), model.get("concept")];
      const concept = scene.concepts.indexOf(name);
      slider.show(frame);
      text.textContent = String(frame);
      choice.show(name);
      image.show(frame, concept);
      bars.forEach((one) => one.show(frame, concept));
      curves.forEach((one) => one.show(frame, concept));
    };
    after(model, ["frame", "concept"], () => {
      show();
      const [frame, name] = [model.get("frame"), model.get("concept")];
      const concept = scene.concepts.indexOf(name);
      const said = scene.energies.map((rule) => `${rule.name} ${rule.values[frame][concept]}`);
      say(`frame ${frame}, ${name}: ${said.join("; ")}`);
    });
    show();

    const turn = (by) => () => {
      const at = scene.concepts.indexOf(model.get("concept")) + by;
      toConcept(scene.concepts[within(at, scene.concepts.length - 1)]);
    };
    return listenForKeys(root, {
      ArrowLeft: () => toFrame(model.get("frame") - 1),
      ArrowRight: () => toFrame(model.get("frame") + 1),
      ArrowUp: turn(-1),
      ArrowDown: turn(1),
      ...digits(scene.concepts, toConcept),
    });
  }
  return { render };
}

/** The frame, the cells of the attention map over it, and the square with the largest sum. */
function drawMap(scene) {
  const [rows, columns] = scene.cells;
  const image = h("img", { decoding: "sync" });
  const cells = Array.from({ length: rows * columns }, () => h("i", {}));
  const box = h("span", { class: "la-square" });
  const style = `grid-template: repeat(${rows}, 1fr) / repeat(${columns}, 1fr)`;
  const el = h("div", { class: "la-map" }, image, h("div", { class: "la-cells", style, "aria-hidden": "true" }, ...cells), box);
  const show = (frame, concept) => {
    image.src = scene.frames[frame];
    image.alt = `frame ${frame} with the attention map of ${scene.concepts[concept]}`;
    cells.forEach((cell, index) => {
      const level = scene.levels[frame][concept][index];
      cell.style.background = scene.shades[level];
    });
    const [row, column] = scene.corners[frame][concept];
    box.style.left = `${(100 * column) / columns}%`;
    box.style.top = `${(100 * row) / rows}%`;
    box.style.width = `${(100 * scene.side) / columns}%`;
    box.style.height = `${(100 * scene.side) / rows}%`;
  };
  return { el, show };
}

/** Lowest and highest number of a rule, 0 included. */
function range({ values }) {
  const all = values.flat();
  return [Math.min(0, ...all), Math.max(0, ...all) || 1];
}

/** What every concept gets in the frame; the right one has a sign of its own. */
function drawBars(scene, rule) {
  const [low, high] = range(rule);
  const rows = scene.concepts.map((name, index) => {
    const bar = h("i", { "aria-hidden": "true", style: `background: ${scene.colours[index]}` });
    const number = h("span", { class: "lab-number" });
    const label = h("span", {}, index === scene.right ? `✓ ${name}` : name);
    return { el: h("li", {}, label, number, h("span", { class: "la-track" }, bar)), bar, number };
  });
  const show = (frame, concept) =>
    rows.forEach(({ el, bar, number }, index) => {
      const value = rule.values[frame][index];
      const best = value === Math.max(...rule.values[frame]);
      number.textContent = value.toPrecision(3);
      bar.style.left = `${(100 * (Math.min(value, 0) - low)) / (high - low)}%`;
      bar.style.width = `${(100 * Math.abs(value)) / (high - low)}%`;
      el.className = `${index === concept ? "la-chosen" : ""} ${best ? "la-best" : ""}`;
    });
  return { el: h("ol", { class: "lab-bars" }, ...rows.map((row) => row.el)), show };
}

/** The same over time, a line a concept; a click chooses the frame. */
function drawCurves(scene, rule, toFrame) {
  const [low, high] = range(rule);
  const last = Math.max(scene.frames.length - 1, 1);
  const [wide, tall] = [260, 90];
  const y = (value) => tall - ((value - low) / (high - low)) * tall;
  const lines = scene.concepts.map((_, index) =>
    svg("polyline", {
      points: rule.values.map((row, frame) => `${(frame / last) * wide},${y(row[index]).toFixed(1)}`).join(" "),
      stroke: scene.colours[index],
      fill: "none",
    }),
  );
  const cursor = svg("line", { y1: 0, y2: tall, class: "la-cursor" });
  const attributes = { viewBox: `-4 -4 ${wide + 8} ${tall + 8}`, role: "img", "aria-label": `${rule.name} over time` };
  const el = svg("svg", attributes, ...lines, cursor);
  el.onclick = ({ clientX }) => {
    const { left, width } = el.getBoundingClientRect();
    toFrame(Math.round((((clientX - left) / width) * (wide + 8) - 4) / wide * last));
  };
  const show = (frame, concept) => {
    const x = (frame / last) * wide;
    cursor.setAttribute("x1", x);
    cursor.setAttribute("x2", x);
    lines.forEach((line, index) => line.setAttribute("stroke-width", index === concept ? 3 : 1.3));
  };
  return { el, show };
}
