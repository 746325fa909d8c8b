// ClipPlayer in the browser: beside the controls, a clock advances the model's frame.

/** One player: called once per model, so that views of the same model share one clock. */
export default function figure() {
  let timer;
  let views = 0;

  /** The clock: while the model is playing, go to the next frame after each interval. */
  function initialize({ model }) {
    const tick = () => {
      const frame = model.get("frame");
      if (frame < model.get("scene").length - 1) change(model, { frame: frame + 1 });
      else if (model.get("loop")) change(model, { frame: 0 });
      else change(model, { playing: false });
      wind();
    };
    const wind = () => {
      clearTimeout(timer);
      const interval = 1000 / (model.get("scene").fps * model.get("speed"));
      if (model.get("playing")) timer = setTimeout(tick, interval);
    };
    model.on("change:playing", wind);
    model.on("change:speed", wind);
    wind();
    return () => clearTimeout(timer);
  }

  function render({ model, el }) {
    const scene = model.get("scene");
    const panels = scene.panels.map(drawPanel);
    const controls = drawControls(model, scene);
    const { root, say } = drawCard(
      el,
      "player",
      scene,
      [controls.overlays],
      h("div", { class: "lp-panels" }, ...panels.map((panel) => panel.el)),
      controls.bar,
    );
    root.setAttribute("aria-busy", true);
    Promise.all(panels.map((panel) => panel.loaded)).then(() => root.setAttribute("aria-busy", false));

    const show = () => {
      panels.forEach((panel) => panel.show(model.get("frame"), model.get("overlay")));
      controls.show();
    };
    after(model, ["frame", "overlay", "playing", "speed", "loop"], show);
    after(model, ["overlay"], () => say(`Showing ${model.get("overlay")}`));
    show();

    // A click on an image plays or pauses, as in any player of videos, and gives the player the keyboard.
    root.querySelector(".lp-panels").addEventListener("click", (event) => {
      if (!event.target.closest(".lab-screen")) return;
      root.focus({ preventScroll: true });
      togglePlaying(model);
    });
    const stop = listenForKeys(root, keys(model));
    views += 1;
    return () => {
      stop();
      views -= 1;
      if (views === 0) change(model, { playing: false });
    };
  }

  return { initialize, render };
}

// ---------------------------------------------------------------------------------------------------- what is shown

const SCREEN = 320; // pixels of the page: small images are enlarged up to this, by a whole factor
const LARGEST = 560; // wider images are shrunk to this
const TICKS = 33; // more frames than this have a tick every 5, 10, 50…

/** One clip: title, label, image with tracks, caption. */
function drawPanel(panel) {
  const { width, height } = panel;
  const canvas = h("canvas", { width, height, role: "img" });
  const tracks = svg("svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
  const note = h("div", { class: "lp-note" });
  const label = h("span", { class: "lp-label" });
  const captions = panel.layers.map((layer) => {
    const key = layer.key ? [h("img", { class: "lp-key", alt: "", src: layer.key })] : [];
    return h("div", { class: "lp-caption" }, ...key, h("span", {}, layer.caption));
  });
  const scale = Math.max(1, Math.floor(SCREEN / Math.max(width, height)));
  const screen = h("div", { class: "lab-screen" }, canvas, tracks, note);
  screen.style.width = `${Math.min(width * scale, LARGEST)}px`;
  screen.classList.toggle("lp-enlarged", scale > 1);
  const head = h("div", { class: "lp-panel-head" }, h("span", { class: "lp-panel-title" }, panel.title), label);
  head.hidden = !panel.title && !panel.labels;
  const context = canvas.getContext("2d");

  // Every image is loaded now, so that each is there when it is asked for.
  let wanted;
  const images = panel.layers.map((layer) =>
    layer.frames.map((source) => {
      const image = new Image();
      image.onload = () => image === wanted && paint();
      image.src = source;
      return image;
    }),
  );
  const paint = () => {
    context.clearRect(0, 0, width, height);
    if (wanted?.complete) context.drawImage(wanted, 0, 0);
  };

  const show = (frame, overlay) => {
    const named = panel.layers.findIndex((layer) => layer.name === overlay);
    const index = Math.max(0, named); // a panel without this overlay shows its first
    const layer = panel.layers[index];
    wanted = images[index][frame];
    paint();
    drawTracks(tracks, layer.tracks, frame);
    note.hidden = Boolean(wanted);
    note.textContent = `No ${layer.name} at the last frame: it lives between one frame and the next.`;
    canvas.setAttribute("aria-label", [panel.title, layer.name, layer.alt].filter(Boolean).join(": "));
    label.textContent = panel.labels ? panel.labels[frame] : "";
    captions.forEach((caption, i) => caption.classList.toggle("lp-shown", i === index));
  };
  const loaded = Promise.all(images.flat().map((image) => image.decode()));
  return { el: h("div", { class: "lp-panel" }, head, screen, h("div", { class: "lp-captions" }, ...captions)), show, loaded };
}

/** Lines from the first frame to this one, with a dot at the end; 0 is the centre of the first pixel. */
function drawTracks(layer, tracks, frame) {
  const lines = tracks.map((track) => {
    const path = track.slice(0, frame + 1).map(([x, y]) => [x + 0.5, y + 0.5]);
    const points = path.map((point) => point.join(",")).join(" ");
    const [x, y] = path.at(-1);
    const dot = `M${x},${y}h0`; // a line of no length with round ends: a dot of the same size at every scale
    return [
      svg("polyline", { class: "lp-halo", points }),
      svg("polyline", { class: "lp-track", points }),
      svg("path", { class: "lp-halo lp-dot", d: dot }),
      svg("path", { class: "lp-track lp-dot", d: dot }),
    ];
  });
  layer.replaceChildren(...lines.flat());
}

/** The overlay switch and the bar with buttons and timeline. */
function drawControls(model, scene) {
  const last = scene.length - 1;
  const go = (frame) => change(model, { frame: within(frame, last) });
  const button = (label, icon, onclick) => h("button", { type: "button", title: label, "aria-label": label, onclick }, icon);

  const back = button("One frame back (left arrow)", drawIcon("back"), () => go(model.get("frame") - 1));
  const play = button("Play (space)", drawIcon("play"), () => togglePlaying(model));
  const forward = button("One frame forward (right arrow)", drawIcon("forward"), () => go(model.get("frame") + 1));
  play.classList.add("lp-play");
  const loop = button("Loop", drawIcon("loop"), () => change(model, { loop: !model.get("loop") }));
  const speed = h(
    "select",
    { title: "Speed", "aria-label": "Speed", onchange: () => change(model, { speed: Number(speed.value) }) },
    ...[[0.25, "¼×"], [0.5, "½×"], [1, "1×"], [2, "2×"]].map(([value, text]) => h("option", { value }, text)),
  );

  const scrub = drawSlider("Frame", 0, last, (frame) => change(model, { frame, playing: false }));
  const stride = [1, 5, 10, 50, 100, 500, 1000].find((stride) => last / stride < TICKS) ?? last;
  const ticks = h("div", { class: "lp-ticks", "aria-hidden": "true" });
  for (let frame = 0; frame <= last; frame += stride) {
    const tick = h("i", {});
    tick.style.left = `${(100 * frame) / Math.max(last, 1)}%`;
    ticks.append(tick);
  }
  const clock = h("div", { class: "lp-clock", "aria-hidden": "true" });

  const overlays = drawSwitch("Overlay", scene.overlays, (overlay) => change(model, { overlay }));
  overlays.el.hidden = scene.overlays.length === 0;

  const show = () => {
    const frame = model.get("frame");
    const playing = model.get("playing");
    const seconds = (frame / scene.fps).toFixed(2);
    scrub.show(frame);
    scrub.el.setAttribute("aria-valuetext", `frame ${frame + 1} of ${scene.length}, ${seconds} s`);
    clock.innerHTML = `<b>${frame + 1}</b> / ${scene.length}<span>${seconds} s</span>`;
    play.replaceChildren(drawIcon(playing ? "pause" : "play"));
    play.title = playing ? "Pause (space)" : "Play (space)";
    play.setAttribute("aria-label", play.title);
    loop.setAttribute("aria-pressed", model.get("loop"));
    speed.value = model.get("speed");
    overlays.show(model.get("overlay"));
  };
  const timeline = h("div", { class: "lp-timeline" }, scrub.el, ticks);
  const buttons = h("div", { class: "lp-buttons" }, back, play, forward, clock, speed, loop);
  const bar = h("div", {}, timeline, buttons);
  return { bar, overlays: overlays.el, show };
}

// ------------------------------------------------------------------------------------------------------ what is done

function togglePlaying(model) {
  const atEnd = model.get("frame") === model.get("scene").length - 1;
  if (model.get("playing")) change(model, { playing: false });
  else if (atEnd) change(model, { frame: 0, playing: true });
  else change(model, { playing: true });
}

/** Space, arrows, Home, End and digits. */
function keys(model) {
  const { overlays, length } = model.get("scene");
  const goTo = (frame) => change(model, { frame: within(frame, length - 1), playing: false });
  return {
    ArrowLeft: () => goTo(model.get("frame") - 1),
    ArrowRight: () => goTo(model.get("frame") + 1),
    Home: () => goTo(0),
    End: () => goTo(length - 1),
    " ": () => togglePlaying(model),
    ...digits(overlays, (overlay) => change(model, { overlay })),
  };
}

// ------------------------------------------------------------------------------------------------------------ icons

function drawIcon(name) {
  return svg("svg", { viewBox: "0 0 16 16", "aria-hidden": "true" }, svg("path", { d: ICONS[name] }));
}

const ICONS = {
  play: "M4.5 2.6v10.8a.6.6 0 0 0 .9.5l8.6-5.4a.6.6 0 0 0 0-1L5.4 2.1a.6.6 0 0 0-.9.5z",
  pause: "M4 2h2.6v12H4zM9.4 2H12v12H9.4z",
  back: "M11.5 3v10L5.5 8zM3.5 3H5v10H3.5z",
  forward: "M4.5 3v10l6-5zM11 3h1.5v10H11z",
  loop: "M4.5 4.5h6.3L9.3 3l1-1 3.2 3.2-3.2 3.2-1-1L10.8 6H4.5A1.5 1.5 0 0 0 3 7.5V9H1.5V7.5a3 3 0 0 1 3-3zM11.5 11.5H5.2L6.7 13l-1 1-3.2-3.2 3.2-3.2 1 1L5.2 10h6.3A1.5 1.5 0 0 0 13 8.5V7h1.5v1.5a3 3 0 0 1-3 3z",
};
