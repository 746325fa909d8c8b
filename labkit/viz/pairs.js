// PairExplorer in the browser.

const ENDS = ["first", "second"];

export default function figure() {
  function render({ model, el }) {
    const scene = model.get("scene");
    const last = scene.frames.length - 1;
    const ends = ENDS.map((end) => drawEnd(scene, end, last, (value) => change(model, { [end]: value })));
    const pair = scene.ofPair.map(({ name }) => drawImage(name));
    const scores = scene.scores.map(({ name }) => drawScores(name));
    const { root, say } = drawCard(
      el,
      "pairs",
      scene,
      [],
      h("div", { class: "lq-ends" }, ...ends.map((end) => end.el)),
      h("div", { class: "lq-row" }, ...pair.map((image) => image.el)),
      h("div", { class: "lq-scores" }, ...scores.map((one) => one.el)),
    );

    const show = () => {
      const [first, second] = ENDS.map((end) => model.get(end));
      ends.forEach((end, index) => end.show([first, second][index]));
      pair.forEach((image, index) => {
        const { name, images } = scene.ofPair[index];
        image.show(images[first][second], `${name}, from ${scene.labels[first]} to ${scene.labels[second]}`);
      });
      scores.forEach((one, index) => one.show(scene.scores[index].best[first][second], scene));
    };
    const tell = () => {
      show();
      const [first, second] = ENDS.map((end) => model.get(end));
      const said = scene.scores.map(({ name, best }) => {
        const [number, value] = best[first][second][0];
        return `${name}: ${scene.classes[number]} ${percent(value)}`;
      });
      say(`${scene.labels[first]} and ${scene.labels[second]}. ${said.join("; ")}`);
    };
    after(model, ENDS, tell);
    show();

    const step = (end, by) => () => change(model, { [end]: within(model.get(end) + by, last) });
    return listenForKeys(root, {
      ArrowLeft: step("first", -1),
      ArrowRight: step("first", 1),
      ArrowDown: step("second", -1),
      ArrowUp: step("second", 1),
    });
  }
  return { render };
}

/** A slider, the frame it chooses, and the images of that frame. */
function drawEnd(scene, end, last, choose) {
  const slider = drawSlider(`${end} frame`, 0, last, choose);
  const text = h("span", { class: "lab-number" });
  const images = [drawImage("frame"), ...scene.ofFrame.map(({ name }) => drawImage(name))];
  const sources = [scene.frames, ...scene.ofFrame.map((one) => one.images)];
  const names = ["frame", ...scene.ofFrame.map(({ name }) => name)];
  const show = (value) => {
    slider.show(value);
    slider.el.setAttribute("aria-valuetext", scene.labels[value]);
    text.textContent = scene.labels[value];
    images.forEach((image, index) => image.show(sources[index][value], `${names[index]}, ${scene.labels[value]}`));
  };
  const head = h("label", { class: "lq-slider" }, h("b", {}, end), slider.el, text);
  const row = h("div", { class: "lq-row" }, ...images.map((image) => image.el));
  return { el: h("section", { class: `lq-end lq-${end}` }, head, row), show };
}

function drawImage(name) {
  const image = h("img", { decoding: "sync" });
  const show = (source, alt) => {
    image.src = source;
    image.alt = alt;
  };
  return { el: h("figure", {}, h("figcaption", {}, name), image), show };
}

/** The best classes by the scores of a model; the right one has a sign of its own. */
function drawScores(name) {
  const list = h("ol", { class: "lab-bars" });
  const show = (best, { classes, right }) => {
    const items = best.map(([number, value]) => {
      const bar = h("i", { "aria-hidden": "true" });
      bar.style.width = `${100 * value}%`;
      const sign = number === right ? "✓ " : "";
      const text = h("span", { class: "lq-number" }, percent(value));
      return h("li", { class: number === right ? "lab-right" : "" }, h("span", {}, `${sign}${classes[number]}`), text, bar);
    });
    list.replaceChildren(...items);
  };
  return { el: h("section", {}, h("b", {}, name), list), show };
}
