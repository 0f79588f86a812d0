// Unfolds the unchanged lines between two changes.
(() => {
  for (const button of document.querySelectorAll("button.diff-unfold")) {
    button.hidden = false;
    button.parentElement.querySelector(".diff-folded").hidden = true;
    button.addEventListener("click", () => {
      const lines = button.closest("tbody").nextElementSibling;
      lines.hidden = !lines.hidden;
      button.setAttribute("aria-expanded", String(!lines.hidden));
    });
  }
  // The button that shows the versions of another environment is needed without scripts only.
  for (const button of document.querySelectorAll("[data-without-script]")) button.hidden = true;
})();
