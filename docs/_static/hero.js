// The stage at the top of the first page: frames on the left of a divider, their motion on the right.
//
// A page holds an element like this one, which docs/draw_figures.py writes to hero/hero.html; in Markdown, for MyST:
//
//   ```{raw} html
//   :file: _static/hero/hero.html
//   ```
//
//   <div id="lab-hero" data-folder="_static/hero" data-frames="24" data-columns="4" data-fps="12" data-still="14">
//     <img class="dark-light" src="_static/hero/still.webp" width="1080" height="400" alt="...">
//     <p>...</p>
//   </div>
//
// Without scripts, its image and its caption are what is shown; with them, the `alt` describes the canvas. The folder
// is relative to the page. It holds background.webp, the scene with nobody in it; frames.webp, a sheet of cells, row
// by row, with what each frame has in front of the background; flow.webp, a sheet with the flow from each frame to
// the next; wheel.webp, the key to the colours. `data-still` is the frame to begin with, and to rest on when the
// reader prefers no motion.

const SWEEP = 2200; // milliseconds: the divider comes in once, from the right
const REST = 50; // percent of the width: where it comes to rest
const STEP = 2; // percent: of an arrow key
const EDGE = 2; // pixels of each cell that are left out: smoothing would mix them with the next cell

/** The stage in `root`: called once. */
async function stage(root) {
  const [fallback, caption] = [root.querySelector("img"), root.querySelector("p")];
  const { folder, frames, columns, fps, still } = root.dataset;
  const names = ["background", "frames", "flow"];
  const [background, cells, flow] = await Promise.all(names.map((name) => load(`${folder}/${name}.webp`)));
  const [width, height] = [background.naturalWidth, background.naturalHeight];
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const state = { frame: Number(still), divider: REST, playing: !calm };

  // ---------------------------------------------------------------------------------------------------- the elements

  const canvas = make("canvas", { role: "img", "aria-label": fallback.alt });
  const slider = make("input", { type: "range", min: 0, max: 100, step: STEP, class: "lh-slider" });
  slider.setAttribute("aria-label", "Divider between the frames, on its left, and their motion, on its right");
  const line = make("div", { class: "lh-divider", "aria-hidden": "true" }, make("span", { class: "lh-handle" }));
  const [left, right] = ["frames", "motion"].map((text) =>
    make("span", { class: `lh-label lh-${text}`, "aria-hidden": "true" }, text),
  );
  const screen = make("div", { class: "lh-screen" }, canvas, left, right, slider, line);
  const icon = make("span", { class: "lh-icon", "aria-hidden": "true" });
  const button = make("button", { type: "button", class: "lh-play" }, icon);
  const word = button.appendChild(document.createElement("span"));
  const wheel = make("img", { src: `${folder}/wheel.webp`, width: 64, height: 64, class: "lh-wheel dark-light" });
  wheel.alt = "The key to the colours: right is red, down is green, left is cyan, up is violet; rest is white.";
  root.replaceChildren(screen, make("div", { class: "lh-bar" }, button, caption, wheel));
  root.classList.add("lh-ready");

  // ----------------------------------------------------------------------------------------------------- the drawing

  const context = canvas.getContext("2d");

  /** Draw the frame: as much of the scene as fits, from its middle. */
  function draw() {
    const scale = Math.max(canvas.width / (width - 2 * EDGE), canvas.height / (height - 2 * EDGE));
    const [w, h] = [canvas.width / scale, canvas.height / scale];
    const [x, y] = [(width - w) / 2, (height - h) / 2];
    const [column, row] = [state.frame % columns, Math.floor(state.frame / columns)];
    const cut = Math.round((canvas.width * state.divider) / 100);
    const paint = (image, column, row) =>
      context.drawImage(image, x + column * width, y + row * height, w, h, 0, 0, canvas.width, canvas.height);
    const within = (start, end, what) => {
      if (end <= start) return;
      context.save();
      context.beginPath();
      context.rect(start, 0, end - start, canvas.height);
      context.clip();
      what();
      context.restore();
    };
    within(0, cut, () => {
      paint(background, 0, 0);
      paint(cells, column, row);
    });
    within(cut, canvas.width, () => paint(flow, column, row));
  }

  /** Bring everything to what the state says. */
  function show() {
    const at = Math.round(state.divider);
    screen.style.setProperty("--lh-at", `${state.divider}%`);
    const cut = (screen.clientWidth * state.divider) / 100; // a label goes before the divider gets to it
    left.classList.toggle("lh-gone", cut < left.offsetLeft + left.offsetWidth + 6);
    right.classList.toggle("lh-gone", cut > right.offsetLeft - 6);
    slider.value = at;
    slider.setAttribute("aria-valuetext", `${at} percent frames, ${100 - at} percent motion`);
    button.classList.toggle("lh-playing", state.playing);
    word.textContent = state.playing ? "Pause" : "Play";
    draw();
  }

  new ResizeObserver(() => {
    const density = Math.min(devicePixelRatio || 1, 2);
    canvas.width = Math.round(screen.clientWidth * density);
    canvas.height = Math.round(screen.clientHeight * density);
    draw();
  }).observe(screen);

  // ------------------------------------------------------------------------------------------------------- the clock

  let [pending, last, elapsed, sweeping, visible] = [0, null, 0, !calm, true];

  /** Called before each repaint; a page that is hidden is not repainted, and a stage out of sight does not move. */
  function tick(now) {
    if (!state.playing || !visible) return;
    elapsed += last === null ? 0 : now - last;
    last = now;
    const frame = (Number(still) + Math.floor((elapsed / 1000) * fps)) % frames;
    if (frame !== state.frame || sweeping) {
      state.frame = frame;
      if (sweeping) {
        const part = Math.min(elapsed / SWEEP, 1);
        state.divider = 100 - (100 - REST) * part * part * (3 - 2 * part);
        sweeping = part < 1;
      }
      show();
    }
    pending = requestAnimationFrame(tick);
  }

  /** Start the clock where it stopped. */
  function wind() {
    last = null;
    cancelAnimationFrame(pending);
    pending = requestAnimationFrame(tick);
  }

  new IntersectionObserver(([entry]) => {
    if (visible === entry.isIntersecting) return;
    visible = entry.isIntersecting;
    wind();
  }).observe(screen);

  // -------------------------------------------------------------------------------------------------- the controls

  function toggle() {
    state.playing = !state.playing;
    sweeping = false;
    show();
    wind();
  }

  function move(divider) {
    sweeping = false;
    state.divider = Math.min(Math.max(divider, 0), 100);
    show();
  }

  button.onclick = toggle;
  slider.oninput = () => move(Number(slider.value)); // keys, and screen readers
  slider.onkeydown = (event) => {
    if (event.key !== " ") return;
    event.preventDefault(); // no scrolling
    toggle();
  };

  // Mouse and finger drag from wherever they are: on some phones, a range takes hold of its thumb alone. A finger that
  // goes up or down scrolls the page; the browser then cancels the pointer, and the divider stays.
  let grip = null; // where a pointer took hold, and whether it is known to drag
  const drag = (event) => {
    if (!grip) return;
    grip.firm ||= event.type === "pointerup" || Math.abs(event.clientX - grip.x) > 5; // a tap counts, too
    const box = screen.getBoundingClientRect();
    if (grip.firm) move((100 * (event.clientX - box.left)) / box.width);
  };
  screen.onpointerdown = (event) => {
    if (event.button !== 0) return;
    event.preventDefault(); // no selection of text
    screen.setPointerCapture(event.pointerId);
    slider.focus({ preventScroll: true, focusVisible: false }); // arrow keys continue where the mouse ends
    grip = { x: event.clientX, firm: event.pointerType === "mouse" };
    drag(event);
  };
  screen.onpointermove = drag;
  screen.onpointerup = (event) => {
    drag(event);
    grip = null;
  };
  screen.onpointercancel = () => (grip = null);

  if (sweeping) state.divider = 100;
  show();
  wind();
}

/** An element with attributes and children. */
function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** An image that is there when it is drawn. */
async function load(source) {
  const image = new Image();
  image.src = source;
  await image.decode();
  return image;
}

const place = document.getElementById("lab-hero");
if (place) stage(place);
