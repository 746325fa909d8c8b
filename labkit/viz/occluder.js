// Occluder in the browser.

export default function figure() {
  function render({ model, el }) {
    const scene = model.get("scene");
    const [height, width] = scene.size;
    const image = svg("image", { width, height });
    const square = svg("rect", { width: scene.side, height: scene.side, class: "lo-square" });
    const stage = svg("svg", { viewBox: `0 0 ${width} ${height}`, class: "lo-stage", "aria-hidden": "true" }, image, square);
    const nets = scene.examples[0].nets.map(({ name }) => drawNet(scene, name));
    const images = scene.examples.map((one) => ({ name: one.name, source: one.image }));
    const picker = drawPicker("image", images, (index) => change(model, { example: index }));
    picker.el.hidden = images.length < 2;
    const name = h("figcaption", {});
    const { root, say } = drawCard(
      el,
      "occluder",
      scene,
      [picker.el],
      h("div", { class: "lo-row" }, h("figure", {}, name, stage), ...nets.map((net) => net.el)),
    );

    // The middle of the square follows the mouse, or a finger.
    const follow = (event) => {
      const box = stage.getBoundingClientRect();
      const x = ((event.clientX - box.left) / box.width) * width - scene.side / 2;
      const y = ((event.clientY - box.top) / box.height) * height - scene.side / 2;
      change(model, { row: nearest(scene.tops, y), column: nearest(scene.lefts, x) });
    };
    stage.addEventListener("pointermove", follow);
    stage.addEventListener("pointerdown", follow);

    const show = () => {
      const example = scene.examples[model.get("example")];
      const [row, column] = [model.get("row"), model.get("column")];
      image.setAttribute("href", example.image);
      name.textContent = example.name;
      square.setAttribute("x", scene.lefts[column]);
      square.setAttribute("y", scene.tops[row]);
      picker.show(model.get("example"));
      nets.forEach((net, index) => net.show(example, example.nets[index], row, column));
    };
    const tell = () => {
      show();
      const example = scene.examples[model.get("example")];
      const said = example.nets.map(({ name, table }) => {
        const value = table[model.get("row")][model.get("column")][example.right];
        return `${name}: ${scene.classes[example.right]} ${percent(value)}`;
      });
      say(`${example.name}, row ${model.get("row") + 1}, column ${model.get("column") + 1}. ${said.join("; ")}`);
    };
    after(model, ["example", "row", "column"], tell);
    show();

    const step = (axis, by, many) => () => change(model, { [axis]: within(model.get(axis) + by, many.length - 1) });
    return listenForKeys(root, {
      ArrowLeft: step("column", -1, scene.lefts),
      ArrowRight: step("column", 1, scene.lefts),
      ArrowUp: step("row", -1, scene.tops),
      ArrowDown: step("row", 1, scene.tops),
    });
  }
  return { render };
}

/** A network: what each position costs it, where the square is now, and its best classes. */
function drawNet(scene, name) {
  const [rows, columns] = [scene.tops.length, scene.lefts.length];
  const heat = svg("image", { width: columns, height: rows, preserveAspectRatio: "none" });
  const here = svg("rect", { width: 1, height: 1, class: "lo-here" });
  const map = svg("svg", { viewBox: `0 0 ${columns} ${rows}`, class: "lo-heat", "aria-hidden": "true" }, heat, here);
  const list = h("ol", { class: "lab-bars" });
  const show = ({ right }, { bare, table, heat: source }, row, column) => {
    heat.setAttribute("href", source);
    here.setAttribute("x", column);
    here.setAttribute("y", row);
    const said = table[row][column];
    const order = said.map((_, index) => index).sort((a, b) => said[b] - said[a] || a - b);
    const shown = order.slice(0, scene.best);
    if (!shown.includes(right)) shown[shown.length - 1] = right;
    list.replaceChildren(...shown.map((index) => drawBar(scene.classes[index], said[index], bare[index], index === right)));
  };
  const figure = h("figure", {}, h("figcaption", {}, name), map);
  return { el: h("section", { class: "lo-net" }, figure, list), show };
}

/** The confidence of a network in a class; a mark where it was with nothing covered. */
function drawBar(name, value, before, right) {
  const bar = h("span", { class: "lo-bar", "aria-hidden": "true" }, h("i", {}), h("b", {}));
  bar.firstChild.style.width = `${100 * value}%`;
  bar.lastChild.style.left = `calc(${100 * before}% - 1px)`;
  const number = h("span", { class: "lab-number" }, `${percent(before)} → ${percent(value)}`);
  return h("li", { class: right ? "lab-right" : "" }, h("span", {}, `${right ? "✓ " : ""}${name}`), number, bar);
}

