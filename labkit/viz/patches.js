// PatchExplorer in the browser.

export default function figure() {
  function render({ model, el }) {
    const scene = model.get("scene");
    const layers = scene.layers.map(unpacked);
    const names = layers.map((layer) => layer.name);
    const images = scene.images.map(({ source }) => Object.assign(new Image(), { src: source }));

    const choose = (name) => change(model, { layer: name, shown: 0 });
    const overlays = drawSwitch("Layer", names, choose);
    const toImage = (index) => change(model, { image: scene.asked[index], shown: 0 });
    const picker = drawPicker("Image", scene.asked.map((index) => scene.images[index]), toImage);
    const choices = drawCount(scene.most, (k) => change(model, { k, shown: Math.min(model.get("shown"), k - 1) }));
    const about = h("div", { class: "lx-about" });
    const asked = drawStage(scene.size, "lx-asked");
    const found = drawStage(scene.size, "lx-found");
    const onward = h("button", { type: "button", class: "lx-onward" }, "Ask this patch");
    const row = drawRow(scene.most, (shown) => change(model, { shown }));
    found.head.append(onward);
    const { root, say } = drawCard(
      el,
      "patches",
      scene,
      [overlays.el],
      h("div", { class: "lx-body" }, h("div", { class: "lx-side" }, picker.el, choices.el, about), asked.el, found.el),
      row.el,
    );

    const show = () => {
      const layer = layers.find(({ name }) => name === model.get("layer"));
      const cells = layer.centres.length;
      const here = cellAt(layer, model.get("image"), model.get("point"));
      const near = neighbours(layer, scene.asked.indexOf(here.image), here).slice(0, model.get("k"));
      const rank = Math.min(model.get("shown"), near.length - 1);
      const there = near[rank];
      const name = ({ image }) => scene.images[image].name;
      overlays.show(layer.name);
      picker.show(scene.asked.indexOf(here.image));
      choices.show(near.length);
      const pixels = Number(layer.side.toFixed(1));
      about.textContent = `${layer.name}: ${cells} × ${cells} locations, a patch is ${pixels} × ${pixels} pixels`;
      asked.show(images[here.image], layer, [here]);
      asked.say("Asked", `${name(here)}, ${place(here)}`);
      found.show(images[there.image], layer, [there, ...near.filter((one) => one.image === there.image)]);
      found.say(`Neighbour ${rank + 1} of ${near.length}`, `${name(there)}, ${place(there)}, distance ${short(there.distance)}`);
      onward.hidden = !scene.asked.includes(there.image) || sameCell(here, there);
      onward.onclick = () => {
        change(model, { image: there.image, point: [layer.centres[there.column], layer.centres[there.row]], shown: 0 });
        if (onward.hidden) root.focus({ preventScroll: true });
      };
      row.show(images, layer, here, near, rank, name);
      return { here, there, name };
    };
    const tell = () => {
      const { here, there, name } = show();
      say(`${name(here)}, ${place(here)}. Nearest: ${name(there)}, distance ${short(there.distance)}`);
    };
    after(model, ["layer", "image", "point"], tell);
    after(model, ["k", "shown"], show);
    root.setAttribute("aria-busy", true);
    Promise.all(images.map((image) => image.decode())).then(() => {
      show();
      root.setAttribute("aria-busy", false);
    });
    show();

    const goTo = (event) => {
      const { left, top, width, height } = asked.canvas.getBoundingClientRect();
      const along = (from, size) => within((from / size) * scene.size, scene.size);
      change(model, { point: [along(event.clientX - left, width), along(event.clientY - top, height)], shown: 0 });
    };
    asked.canvas.addEventListener("pointerdown", (event) => {
      root.focus({ preventScroll: true });
      event.preventDefault(); // the focus stays with the explorer
      goTo(event);
    });
    asked.canvas.addEventListener("pointermove", (event) => event.buttons === 1 && goTo(event));

    const step = (rows, columns) => () => {
      const layer = layers.find(({ name }) => name === model.get("layer"));
      const { row, column } = cellAt(layer, model.get("image"), model.get("point"));
      const centre = (index) => layer.centres[within(index, layer.centres.length - 1)];
      change(model, { point: [centre(column + columns), centre(row + rows)], shown: 0 });
    };
    return listenForKeys(root, {
      ArrowLeft: step(0, -1),
      ArrowRight: step(0, 1),
      ArrowUp: step(-1, 0),
      ArrowDown: step(1, 0),
      ...digits(names, choose),
    });
  }
  return { render };
}

// ------------------------------------------------------------------------------------------------ who is near to whom

/** A layer whose numbers and distances can be looked up. */
function unpacked(layer) {
  const raw = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer;
  const Numbers = layer.bytes === 2 ? Uint16Array : Uint32Array;
  return { ...layer, numbers: new Numbers(raw(layer.numbers)), distances: new Uint16Array(raw(layer.distances)) };
}

/** The cell of a layer whose centre is nearest to a point. */
function cellAt(layer, image, [x, y]) {
  return { image, row: nearest(layer.centres, y), column: nearest(layer.centres, x) };
}

/** All neighbours of a cell, the nearest first; `question` is the number of its image among those that are asked. */
function neighbours({ centres, k, numbers, distances, unit }, question, { row, column }) {
  const cells = centres.length;
  const start = ((question * cells + row) * cells + column) * k;
  return Array.from({ length: k }, (_, rank) => {
    const number = numbers[start + rank];
    const cell = { image: Math.floor(number / cells ** 2), row: Math.floor(number / cells) % cells, column: number % cells };
    return { ...cell, distance: distances[start + rank] * unit };
  });
}

const sameCell = (one, other) => ["image", "row", "column"].every((name) => one[name] === other[name]);
const place = ({ row, column }) => `row ${row + 1}, column ${column + 1}`;
const short = (distance) => Number(distance.toPrecision(3)).toString();

// ---------------------------------------------------------------------------------------------------- what is shown

/** A slider over how many neighbours are shown. */
function drawCount(most, choose) {
  const slider = drawSlider("Neighbours shown", 1, most, choose);
  const count = h("b", {});
  const show = (k) => {
    slider.show(k);
    count.textContent = k;
  };
  const el = h("label", { class: "lx-slider" }, h("span", {}, "Neighbours: ", count), slider.el);
  el.hidden = most === 1;
  return { el, show };
}

/** A whole image with the outlines of patches, the first of them drawn bold. */
function drawStage(size, kind) {
  const canvas = h("canvas", { width: 2 * size, height: 2 * size, role: "img" });
  const lines = svg("svg", { viewBox: `0 0 ${size} ${size}`, "aria-hidden": "true" });
  const title = h("b", {});
  const text = h("span", {});
  const head = h("div", { class: "lx-head" }, title);
  const show = (image, { centres, side }, patches) => {
    const context = canvas.getContext("2d");
    context.imageSmoothingQuality = "high";
    if (image.complete) context.drawImage(image, 0, 0, canvas.width, canvas.height);
    const dots = centres.flatMap((y) => centres.map((x) => `M${x},${y}h0`)).join("");
    const outlines = patches.map(({ row, column }, index) => {
      const [x, y] = [centres[column] - side / 2, centres[row] - side / 2];
      const corners = { x, y, width: side, height: side };
      const bold = index === 0 ? " lx-bold" : "";
      return [svg("rect", { ...corners, class: `lx-halo${bold}` }), svg("rect", { ...corners, class: `lx-outline${bold}` })];
    });
    lines.replaceChildren(svg("path", { class: "lx-dots", d: dots }), ...outlines.reverse().flat());
  };
  const say = (first, rest) => {
    [title.textContent, text.textContent] = [first, rest];
    canvas.setAttribute("aria-label", `${first}: ${rest}`);
  };
  const screen = h("div", { class: "lab-screen" }, canvas, lines);
  return { el: h("div", { class: `lx-stage ${kind}` }, head, screen, text), head, canvas, show, say };
}

const TILE = 128; // pixels of a patch's own canvas

/** The patch that is asked and, to its right, its neighbours in order of distance. */
function drawRow(most, choose) {
  const tiles = Array.from({ length: most + 1 }, (_, index) => {
    const rank = index - 1;
    const canvas = h("canvas", { width: TILE, height: TILE, "aria-hidden": "true" });
    const lines = [h("b", {}), h("span", {})];
    const [before, where] = [h("i", { class: "lab-hidden" }), h("i", { class: "lab-hidden" })]; // said, and not shown
    const goTo = () => choose(rank);
    const events = { onpointerenter: goTo, onfocus: goTo, onclick: goTo };
    const el = rank < 0 ? h("div", { class: "lx-tile lx-own" }) : h("button", { type: "button", class: "lx-tile", ...events });
    el.append(before, canvas, lines[0], " ", lines[1], where);
    return { el, canvas, lines, before, where };
  });
  const show = (images, { centres, side }, here, near, shown, name) => {
    tiles.forEach(({ el, canvas, lines, before, where }, index) => {
      const cell = index === 0 ? here : near[index - 1];
      el.hidden = !cell;
      if (!cell) return;
      const context = canvas.getContext("2d");
      context.clearRect(0, 0, TILE, TILE);
      const [left, top] = [centres[cell.column] - side / 2, centres[cell.row] - side / 2];
      if (images[cell.image].complete) context.drawImage(images[cell.image], left, top, side, side, 0, 0, TILE, TILE);
      const words = index === 0 ? "asked" : `${index}: ${short(cell.distance)}`;
      [lines[0].textContent, lines[1].textContent] = [words, name(cell)];
      el.title = `${name(cell)}, ${place(cell)}`;
      if (index === 0) return;
      [before.textContent, where.textContent] = ["Neighbour ", `, ${place(cell)}`];
      el.setAttribute("aria-pressed", index - 1 === shown);
    });
  };
  const ordered = tiles.slice(1).map((tile) => tile.el);
  const list = h("div", { class: "lx-near", role: "group", "aria-label": "Nearest patches, in order of distance" }, ...ordered);
  return { el: h("div", { class: "lx-row" }, tiles[0].el, list), show };
}
