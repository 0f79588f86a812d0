// For every page: copy buttons, switching the theme without a reload.
(() => {
  const status = document.getElementById("said");
  const announce = (text) => {
    status.textContent = text;
  };

  const showCopyButtons = (within) => {
    for (const button of within.querySelectorAll("button.copy[hidden]")) button.hidden = false;
  };

  showCopyButtons(document);
  document.addEventListener("htmx:load", (event) => showCopyButtons(event.detail.elt));

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button.copy");
    if (button) {
      try {
        await navigator.clipboard.writeText(button.dataset.copy);
        announce(status.dataset.copied);
        button.classList.add("copied");
        setTimeout(() => button.classList.remove("copied"), 1500);
      } catch {
        announce(status.dataset.notCopied);
      }
      return;
    }
    // A click outside closes the open menus.
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });

  for (const form of document.querySelectorAll("form.themes")) {
    form.addEventListener("submit", (event) => {
      const button = event.submitter;
      if (!button) return;
      event.preventDefault();
      const data = new FormData(form, button);
      document.documentElement.dataset.chosen = button.value;
      document.documentElement.dispatchEvent(new Event("studio:theme"));
      for (const other of form.querySelectorAll("button")) other.setAttribute("aria-pressed", String(other === button));
      fetch(form.action, { method: "POST", body: data, redirect: "manual" });
    });
  }

  // A second click does not submit a form again.
  document.addEventListener("submit", (event) => {
    if (event.defaultPrevented || event.target.method !== "post") return;
    if (event.target.dataset.sent) event.preventDefault();
    event.target.dataset.sent = "yes";
  });
  // The browser's Back button restores the form in a usable state.
  window.addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
  });
})();
