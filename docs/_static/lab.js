// What pages of the course do: they tell widgets the theme, remember which lessons are finished, and keep search quiet.

// A page opened from the disk may not fetch its neighbours: Sphinx' search then lists titles without excerpts.
if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;

// Widgets know of the theme what JupyterLab tells them: tell them the same.
const root = document.documentElement;
const tell = () => root.setAttribute("data-jp-theme-light", String(root.dataset.theme !== "dark"));
new MutationObserver(tell).observe(root, { attributeFilter: ["data-theme"] });
tell();

// Finished lessons: their numbers are kept in this browser and nowhere else.
const KEY = "labkit-finished";

function finished() {
  try {
    return new Set(JSON.parse(localStorage.getItem(KEY) ?? "[]"));
  } catch {
    return new Set(); // storage is switched off, or not ours
  }
}

function keep(numbers) {
  try {
    localStorage.setItem(KEY, JSON.stringify([...numbers].sort()));
  } catch {
    // it is remembered until the page is left
  }
}

function mark(numbers) {
  for (const link of document.querySelectorAll(".bd-sidebar-primary a, .lesson-path a, .pst-scrollable-table-container a")) {
    const number = /\/lessons\/(\d\d)_\w+\.html$/.exec(link.pathname)?.[1];
    const place = link.closest(".sd-card")?.querySelector(".sd-card-title") ?? link;
    if (number) place.classList.toggle("is-done", numbers.has(number));
  }
}

// What scrolls sideways can be reached with the keyboard; what does, depends on the width of the page.
const SCROLLS = "div.cell_output, div.output, .pst-scrollable-table-container, .bd-article pre, math[display='block']";

function reachable() {
  for (const place of document.querySelectorAll(SCROLLS)) {
    const scrolls = place.scrollWidth > place.clientWidth && !place.querySelector("a, button, input, [tabindex='0']");
    if (scrolls) place.tabIndex = 0;
  }
}

let resized = 0;
addEventListener("resize", () => {
  clearTimeout(resized);
  resized = setTimeout(reachable, 400); // after the theme, which does the same for some
});

document.addEventListener("DOMContentLoaded", () => {
  const numbers = finished();
  for (const place of document.querySelectorAll(".lesson-done")) {
    const box = place.querySelector("input");
    box.checked = numbers.has(place.dataset.lesson);
    box.addEventListener("change", () => {
      numbers[box.checked ? "add" : "delete"](place.dataset.lesson);
      keep(numbers);
      mark(numbers);
    });
  }
  mark(numbers);
  // The theme's buttons that unfold the pages below a page have no name.
  for (const button of document.querySelectorAll("summary:has(> .toctree-toggle)")) {
    const page = button.closest("li")?.querySelector("a")?.textContent.trim();
    button.setAttribute("aria-label", `Pages below ${page}`);
  }
  reachable();
});
