// Quiz in the browser. What explains an option is decrypted with a key that only the option gives: see quiz.py.

const MOVE = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 };

export default function figure() {
  function render({ model, el }) {
    const scene = model.get("scene");
    const store = storage(`labkit ${scene.name} ${digestOf(JSON.stringify(scene.questions))}`);
    const choose = (question, option) => {
      change(model, { chosen: model.get("chosen").map((old, index) => (index === question ? option : old)) });
    };
    const questions = scene.questions.map((question, index) =>
      drawQuestion(question, index, scene, (option) => choose(index, option)),
    );
    const score = h("span", { class: "lab-number" });
    const again = h("button", { type: "button", class: "lz-again" }, "Start over");
    again.onclick = () => {
      change(model, { chosen: scene.questions.map(() => -1) });
      questions[0].focus();
    };
    const hint = "Choose an option: it is explained immediately, and you may choose another one. With the keyboard, arrow keys move and the space bar answers.";
    const foot = h("div", { class: "lz-foot" }, score, again);
    const parts = [h("p", { class: "lz-hint" }, hint), ...questions.map((question) => question.el), foot];
    const { root, say } = drawCard(el, "quiz", scene, [], ...parts);

    let before = [];
    const show = (aloud) => {
      const chosen = model.get("chosen");
      const results = questions.map((question, index) => question.show(chosen[index]));
      const right = results.filter((result) => result?.right).length;
      const answered = results.filter(Boolean).length;
      score.textContent = answered ? `${answered} of ${results.length} answered, ${right} right` : "";
      again.hidden = !answered;
      const changed = results.findIndex((result, index) => result && chosen[index] !== before[index]);
      if (aloud) say(changed < 0 ? "All answers are cleared." : `${results[changed].verdict} ${results[changed].why} ${score.textContent}.`);
      before = chosen;
      store.write(chosen);
    };
    const kept = store.read();
    const fits = (option, index) => Number.isInteger(option) && option >= -1 && option < scene.questions[index].options.length;
    const usable = Array.isArray(kept) && kept.length === questions.length && kept.every(fits);
    if (usable && model.get("chosen").every((option) => option === -1)) change(model, { chosen: kept });
    show(false);
    after(model, ["chosen"], () => show(true));

    // JupyterLab catches keys at the document, so we listen earlier. A radio button would answer as soon as an arrow key
    // passes over it; here arrows only move.
    const listen = (event) => {
      const { target, key } = event;
      if (!root.contains(target) || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
      const answers = key === " " || key === "Enter";
      if (!answers && !(key in MOVE)) return;
      if (target.type !== "radio" && !(target.tagName === "BUTTON" && answers)) return;
      event.stopPropagation();
      if (target.type !== "radio" || key === " ") return;
      event.preventDefault();
      const radios = [...target.form.elements].filter((element) => element.type === "radio");
      if (answers) target.click();
      else radios[(radios.indexOf(target) + MOVE[key] + radios.length) % radios.length].focus();
    };
    window.addEventListener("keydown", listen, true);
    return () => window.removeEventListener("keydown", listen, true);
  }
  return { render };
}

/** A question, its options, and room for what explains the chosen one. */
function drawQuestion({ kind, text, options, answers }, index, scene, choose) {
  const radios = options.map((_, at) => h("input", { type: "radio", name: "option", onchange: () => choose(at) }));
  const signs = options.map(() => h("span", { class: "lz-sign" }));
  const labels = options.map((option, at) => h("label", {}, radios[at], h("span", {}, option), signs[at]));
  const legend = h("legend", {}, h("span", { class: "lz-kind" }, `${index + 1} · ${kind}`), h("span", {}, text));
  const why = h("p", { class: "lz-why" });
  const show = (chosen) => {
    const result = options[chosen] === undefined ? null : opened(`${scene.name}.${index}`, options[chosen], answers, scene.rounds);
    radios.forEach((radio, at) => (radio.checked = at === chosen));
    labels.forEach((label, at) => {
      label.className = at === chosen ? (result.right ? "lz-right" : "lz-wrong") : "";
      signs[at].textContent = at === chosen ? (result.right ? "✓ right" : "✗ not this one") : "";
    });
    why.hidden = !result;
    why.className = result?.right ? "lz-why lz-right" : "lz-why lz-wrong";
    if (result) why.replaceChildren(h("b", {}, result.verdict), ` ${result.why}`);
    else why.replaceChildren();
    return result;
  };
  const fields = h("fieldset", {}, legend, ...labels, why);
  // A form of its own: another group of the same name does not mix with it.
  return { el: h("form", { onsubmit: () => false }, fields), show, focus: () => radios[0].focus() };
}

/** Decrypt what explains an option; its first character tells whether the option is right. */
function opened(name, option, answers, rounds) {
  let root = sha256(bytes(`${name}\n${option}`));
  for (let round = 0; round < rounds; round++) root = sha256(root);
  const tag = hex(sha256(joined(root, bytes("tag")))).slice(0, 16);
  const key = sha256(joined(root, bytes("key")));
  const cipher = Uint8Array.from(atob(answers[tag]), (character) => character.charCodeAt(0));
  const plain = new Uint8Array(cipher.length);
  for (let start = 0; start < cipher.length; start += 32) {
    const counter = new Uint8Array(4);
    new DataView(counter.buffer).setUint32(0, start / 32);
    const stream = sha256(joined(key, counter));
    for (let at = start; at < Math.min(start + 32, cipher.length); at++) plain[at] = cipher[at] ^ stream[at - start];
  }
  const text = new TextDecoder().decode(plain).trimEnd();
  const right = text[0] === "+";
  return { right, verdict: right ? "✓ Right." : "✗ Not this one.", why: text.slice(1) };
}

/** Answers of earlier visits. A page that was opened from the disk may have no storage. */
function storage(key) {
  const read = () => {
    try {
      return JSON.parse(localStorage.getItem(key));
    } catch {
      return null;
    }
  };
  const write = (value) => {
    try {
      localStorage.setItem(key, JSON.stringify(value));
    } catch {
      // then the answers last as long as the page
    }
  };
  return { read, write };
}

// ---------------------------------------------------------------------- SHA-256 (crypto.subtle is not there everywhere)

const bytes = (text) => new TextEncoder().encode(text);
const hex = (values) => Array.from(values, (value) => value.toString(16).padStart(2, "0")).join("");
const digestOf = (text) => hex(sha256(bytes(text))).slice(0, 12);

function joined(...parts) {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

/** The first 32 bits after the point of the square or cube roots of the first primes, as FIPS 180-4 has them. */
function fractions(count, root) {
  const primes = [];
  for (let n = 2; primes.length < count; n++) if (primes.every((prime) => n % prime)) primes.push(n);
  return primes.map((prime) => (root(prime) % 1) * 2 ** 32);
}

const START = Uint32Array.from(fractions(8, Math.sqrt));
const CONSTANTS = Uint32Array.from(fractions(64, Math.cbrt));

/** The SHA-256 digest of bytes, 32 bytes (FIPS 180-4, section 6.2). */
function sha256(message) {
  const padded = new Uint8Array(Math.ceil((message.length + 9) / 64) * 64);
  padded.set(message);
  padded[message.length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setUint32(padded.length - 4, 8 * message.length);
  const state = Uint32Array.from(START);
  const w = new Uint32Array(64);
  const turn = (x, n) => (x >>> n) | (x << (32 - n));
  for (let start = 0; start < padded.length; start += 64) {
    for (let t = 0; t < 16; t++) w[t] = view.getUint32(start + 4 * t);
    for (let t = 16; t < 64; t++) {
      const [x, y] = [w[t - 15], w[t - 2]];
      w[t] = w[t - 16] + (turn(x, 7) ^ turn(x, 18) ^ (x >>> 3)) + w[t - 7] + (turn(y, 17) ^ turn(y, 19) ^ (y >>> 10));
    }
    let [a, b, c, d, e, f, g, last] = state;
    for (let t = 0; t < 64; t++) {
      const one = (last + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g)) + CONSTANTS[t] + w[t]) | 0;
      const two = ((turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      [last, g, f, e, d, c, b, a] = [g, f, e, (d + one) | 0, c, b, a, (one + two) | 0];
    }
    [a, b, c, d, e, f, g, last].forEach((value, at) => (state[at] += value));
  }
  const digest = new DataView(new ArrayBuffer(32));
  state.forEach((value, at) => digest.setUint32(4 * at, value));
  return new Uint8Array(digest.buffer);
}
