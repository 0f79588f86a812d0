// The rows chosen in a list: select all, clear, and a compare button that says why it is off. Without this, the server says it.
(() => {
  const boxes = (form) => [...form.querySelectorAll("input.choose")];

  const update = (form) => {
    const chosen = boxes(form).filter((box) => box.checked).length;
    const compare = form.querySelector("[data-choose-two]");
    const hint = form.querySelector("[data-choose-hint]");
    if (compare) compare.setAttribute("aria-disabled", String(chosen !== 2));
    if (hint) hint.hidden = chosen === 2;
    for (const button of form.querySelectorAll("button[data-choose]")) button.hidden = false;
  };

  const updateAll = () => {
    for (const bar of document.querySelectorAll("form .chosen")) update(bar.closest("form"));
  };

  document.addEventListener("change", (event) => {
    if (event.target.matches("input.choose")) update(event.target.form);
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-choose], button[data-choose-two]");
    if (!button) return;
    if (button.getAttribute("aria-disabled") === "true") event.preventDefault();
    if (!button.dataset.choose) return;
    for (const box of boxes(button.form)) box.checked = button.dataset.choose === "all";
    update(button.form);
    boxes(button.form)[0]?.focus();
  });
  document.addEventListener("htmx:afterSettle", updateAll);
  document.addEventListener("studio:refreshed", updateAll);
  updateAll();
})();
