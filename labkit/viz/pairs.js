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
      h("div", { class: "lab-title" }, scene.title),
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
        return `${name}: ${scene.classes[number]} ${Math.round(100 * value)} %`;
      });
      say(`${scene.labels[first]} and ${scene.labels[second]}. ${said.join("; ")}`);
    };
    after(model, ENDS, tell);
    show();

    const step = (end, by) => () => {
      const value = Math.min(Math.max(model.get(end) + by, 0), last);
      change(model, { [end]: value });
    };
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
  const slider = h("input", { type: "range", min: 0, max: last, step: 1, "aria-label": `${end} frame` });
  slider.oninput = () => choose(Number(slider.value));
  const text = h("span", { class: "lq-label" });
  const images = [drawImage("frame"), ...scene.ofFrame.map(({ name }) => drawImage(name))];
  const sources = [scene.frames, ...scene.ofFrame.map((one) => one.images)];
  const names = ["frame", ...scene.ofFrame.map(({ name }) => name)];
  const show = (value) => {
    slider.value = value;
    slider.style.setProperty("--lab-done", `${(100 * value) / last}%`);
    slider.setAttribute("aria-valuetext", scene.labels[value]);
    text.textContent = scene.labels[value];
    images.forEach((image, index) => image.show(sources[index][value], `${names[index]}, ${scene.labels[value]}`));
  };
  const head = h("label", { class: "lq-slider" }, h("b", {}, end), slider, text);
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
  const list = h("ol", {});
  const show = (best, { classes, right }) => {
    const items = best.map(([number, value]) => {
      const bar = h("i", { "aria-hidden": "true" });
      bar.style.width = `${100 * value}%`;
      const sign = number === right ? "✓ " : "";
      const percent = h("span", { class: "lq-number" }, `${Math.round(100 * value)} %`);
      return h("li", { class: number === right ? "lq-right" : "" }, h("span", {}, `${sign}${classes[number]}`), percent, bar);
    });
    list.replaceChildren(...items);
  };
  return { el: h("section", {}, h("b", {}, name), list), show };
}
