// A term of the glossary shows what it means while the pointer or the keyboard is on it; Escape hides it.
document.addEventListener("DOMContentLoaded", () => {
  const note = document.createElement("div");
  note.id = "lab-term";
  note.setAttribute("role", "tooltip");
  note.hidden = true;
  document.body.append(note);
  let leaving = 0;

  function show(link) {
    clearTimeout(leaving);
    note.textContent = link.dataset.means;
    note.hidden = false;
    link.setAttribute("aria-describedby", note.id);
    const box = link.getBoundingClientRect();
    const left = Math.min(box.left, document.documentElement.clientWidth - note.offsetWidth - 8);
    const above = box.top > note.offsetHeight + 16;
    note.style.left = `${Math.max(8, left) + scrollX}px`;
    note.style.top = `${(above ? box.top - note.offsetHeight - 6 : box.bottom + 6) + scrollY}px`;
  }

  function hide() {
    note.hidden = true;
    document.querySelectorAll(`[aria-describedby="${note.id}"]`).forEach((link) => link.removeAttribute("aria-describedby"));
  }

  const soon = () => (leaving = setTimeout(hide, 150)); // time to move the pointer onto the note
  for (const link of document.querySelectorAll("a.labkit-term")) {
    link.addEventListener("mouseenter", () => show(link));
    link.addEventListener("focus", () => show(link));
    link.addEventListener("mouseleave", soon);
    link.addEventListener("blur", hide);
  }
  note.addEventListener("mouseenter", () => clearTimeout(leaving));
  note.addEventListener("mouseleave", soon);
  document.addEventListener("keydown", (event) => event.key === "Escape" && hide());
});
