// RetrievalBrowser in the browser.

// Colour and line of a frame are in retrieval.css.
const KINDS = {
  good: { word: "right", sign: "M3.5,8.5l3,3l6,-7" },
  ok: { word: "right, but hard (ok)", short: "right (ok)", sign: "M3.5,8.5l3,3l6,-7M3.5,14h9" },
  wrong: { word: "wrong", sign: "M4,4l8,8M12,4l-8,8" },
  junk: { word: "junk, skipped", sign: "M3.5,8h9" },
  query: { word: "the query itself", sign: "M11,11l3,3M7.5,2.5a4.5,4.5 0 1 0 .01,0z" },
};

const SIDES = ["left", "right"];

export default function figure() {
  function render({ model, el }) {
    const scene = model.get("scene");
    const sides = SIDES.slice(0, Math.min(scene.methods.length, 2));
    const go = (query) => change(model, { query });
    const picker = drawPicker("Query", scene.queries.map((number) => scene.images[number]), go);
    const question = drawQuestion();
    const table = drawTable(scene.methods, sides, (side, name) => change(model, { [side]: name }));
    const plot = drawPlot(sides);
    const lists = sides.map(drawResults);
    const { root, say } = drawCard(
      el,
      "retrieval",
      scene,
      [],
      picker.el,
      h("div", { class: "lr-body" }, question.el, table.el, plot.el),
      drawLegend(),
      h("div", { class: "lr-lists" }, ...lists.map((list) => list.el)),
    );

    const chosen = () => sides.map((side) => scene.methods.find(({ name }) => name === model.get(side)));
    const show = () => {
      const query = model.get("query");
      picker.show(query);
      question.show(scene.images[scene.queries[query]], scene.positives[query]);
      table.show(query, chosen());
      plot.show(query, chosen());
      lists.forEach((list, index) => list.show(chosen()[index], query, scene.images));
    };
    const tell = () => {
      show();
      const query = model.get("query");
      const scores = chosen().map(({ name, ap }) => `${name}: average precision ${ap[query].toFixed(3)}`);
      say(`${scene.images[scene.queries[query]].name}. ${scores.join("; ")}`);
    };
    after(model, ["query", ...sides], tell);
    show();

    const step = (by) => () => go((model.get("query") + by + scene.queries.length) % scene.queries.length);
    return listenForKeys(root, { ArrowLeft: step(-1), ArrowRight: step(1) });
  }
  return { render };
}

function drawQuestion() {
  const image = h("img", { decoding: "sync" });
  const [name, count] = [h("b", {}), h("span", {})];
  const show = (asked, positives) => {
    image.src = asked.source;
    image.alt = `Query: ${asked.name}`;
    name.textContent = asked.name;
    count.textContent = `${positives} to find`;
  };
  return { el: h("div", { class: "lr-question" }, image, name, count), show };
}

/** Methods with their scores; radio buttons choose which stand at the left and at the right. */
function drawTable(methods, sides, choose) {
  const radios = sides.map((side) =>
    methods.map(({ name }) => {
      const label = `${name} at the ${side}`;
      return h("input", { type: "radio", name: side, "aria-label": label, title: label, onchange: () => choose(side, name) });
    }),
  );
  const bars = methods.map(() => [h("td", { class: "lr-number" }), h("i", {})]);
  const rows = methods.map(({ name, map }, index) =>
    h(
      "tr",
      {},
      ...radios.map((group, side) => h("td", { class: `lr-${SIDES[side]}` }, group[index])),
      h("th", { scope: "row" }, name),
      bars[index][0],
      h("td", { class: "lr-bar", "aria-hidden": "true" }, bars[index][1]),
      h("td", { class: "lr-number" }, map.toFixed(3)),
    ),
  );
  const head = [...sides, "method"].map((text) => h("th", { scope: "col" }, text));
  const scores = [["AP of this query", 2], ["mean AP", 1]].map(([text, columns]) =>
    h("th", { scope: columns === 1 ? "col" : "colgroup", colspan: columns }, text),
  );
  const table = h("table", {}, h("thead", {}, h("tr", {}, ...head, ...scores)), h("tbody", {}, ...rows));
  const el = h("form", { class: "lr-table", onsubmit: () => false }, table);
  el.classList.toggle("lr-alone", methods.length === 1);
  const show = (query, chosen) => {
    radios.forEach((group, side) => group.forEach((radio, index) => (radio.checked = methods[index] === chosen[side])));
    bars.forEach(([number, bar], index) => {
      number.textContent = methods[index].ap[query].toFixed(3);
      bar.style.width = `${100 * methods[index].ap[query]}%`;
    });
  };
  return { el, show };
}

const PLOT = { width: 300, height: 236, left: 46, right: 12, top: 10, bottom: 40 };

/** Precision against recall; the area below a curve is the average precision. */
function drawPlot(sides) {
  const { width, height, left, right, top, bottom } = PLOT;
  const toX = (recall) => left + recall * (width - left - right);
  const toY = (precision) => height - bottom - precision * (height - top - bottom);
  const ticks = [0, 0.5, 1].flatMap((value) => [
    svg("path", { class: "lr-rule", d: `M${toX(value)},${toY(0)}V${toY(1)}M${toX(0)},${toY(value)}H${toX(1)}` }),
    svg("text", { x: toX(value), y: toY(0) + 15, "text-anchor": "middle" }, value),
    svg("text", { x: left - 6, y: toY(value) + 4, "text-anchor": "end" }, value),
  ]);
  const turned = `translate(13 ${toY(0.5)}) rotate(-90)`;
  const titles = [
    svg("text", { x: toX(0.5), y: height - 7, "text-anchor": "middle" }, "recall"),
    svg("text", { transform: turned, "text-anchor": "middle" }, "precision"),
  ];
  const areas = sides.map((side) => svg("path", { class: `lr-area lr-${side}` }));
  const lines = sides.map((side) => svg("path", { class: `lr-line lr-${side}` }));
  const attributes = { class: "lr-plot", viewBox: `0 0 ${width} ${height}`, role: "img" };
  const el = svg("svg", attributes, ...ticks, ...titles, ...areas, ...lines);
  const show = (query, chosen) => {
    chosen.forEach(({ curves }, index) => {
      const points = curves[query];
      const path = points.map(([recall, precision]) => `${toX(recall).toFixed(1)},${toY(precision).toFixed(1)}`).join("L");
      lines[index].setAttribute("d", `M${path}`);
      areas[index].setAttribute("d", `M${path}V${toY(0)}H${toX(0)}z`);
    });
    const scores = chosen.map(({ name, ap }) => `${name}, average precision ${ap[query].toFixed(3)}`);
    el.setAttribute("aria-label", `Precision against recall: ${scores.join("; ")}`);
  };
  return { el, show };
}

function drawSign(kind) {
  const attributes = { class: "lr-sign", viewBox: "0 0 16 16", "aria-hidden": "true" };
  return svg("svg", attributes, svg("path", { d: KINDS[kind].sign }));
}

function drawLegend() {
  const entries = Object.entries(KINDS).map(([kind, { word }]) =>
    h("span", { class: `lr-entry lr-${kind}` }, h("i", {}, drawSign(kind)), word),
  );
  return h("div", { class: "lr-legend" }, ...entries);
}

/** What a method ranks first. */
function drawResults(side) {
  const line = svg("path", { class: `lr-line lr-${side}`, d: "M1,4h28" });
  const sample = svg("svg", { viewBox: "0 0 30 8", "aria-hidden": "true" }, line);
  const title = h("b", {});
  const score = h("span", {});
  const list = h("ol", {});
  const show = ({ name, ap, results }, query, images) => {
    title.textContent = name;
    score.textContent = `AP ${ap[query].toFixed(3)}`;
    list.setAttribute("aria-label", `First results of ${name}`);
    const items = results[query].map(([number, kind, rank]) => {
      const image = images[number];
      const { word, short = word } = KINDS[kind];
      const said = kind === "query" ? (rank ? "query, found" : "query, skipped") : short;
      const where = rank ? `${rank}` : "–";
      const alt = `${rank ? `Rank ${rank}` : "No rank"}: ${said}: ${image.name}`;
      const frame = h("div", { class: "lr-frame" }, h("img", { src: image.source, alt, decoding: "sync" }), drawSign(kind));
      const caption = h("div", { class: "lr-caption", "aria-hidden": "true" }, h("b", {}, where), ` ${said}`);
      return h("li", { class: `lr-${kind}`, title: image.name }, frame, caption);
    });
    list.replaceChildren(...items);
  };
  return { el: h("section", {}, h("div", { class: "lr-method" }, sample, title, score), list), show };
}
