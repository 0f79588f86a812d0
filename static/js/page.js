// For every page: copy buttons, switching the theme without a reload.
(() => {
  const COPIED_MS = 2000;
  const copied = new WeakMap(); // button -> the timer that takes its tick away
  const status = document.getElementById("said");
  const announce = (text) => {
    status.textContent = text;
  };

  const showCopyButtons = (within) => {
    for (const button of within.querySelectorAll("button.copy[hidden]")) button.hidden = false;
  };

  // Blocks of code have a button too, also those in descriptions.
  const addCopyButtons = (within) => {
    for (const block of within.querySelectorAll("main pre:not([data-copied-above])")) {
      if (block.parentElement.classList.contains("code-block")) continue;
      const box = document.createElement("div");
      box.className = "code-block";
      block.replaceWith(box);
      box.append(block, document.getElementById("copy-code").content.cloneNode(true));
    }
  };
  const ready = (within) => {
    addCopyButtons(within);
    showCopyButtons(within);
  };

  ready(document);
  document.addEventListener("htmx:load", (event) => ready(event.detail.elt));

  // The strip of tabs shows the chosen tab, also where it is too narrow for all.
  for (const current of document.querySelectorAll(".tabs [aria-current]")) {
    const strip = current.closest(".tabs");
    const room = (strip.clientWidth - current.offsetWidth) / 2;
    strip.scrollLeft += current.getBoundingClientRect().left - strip.getBoundingClientRect().left - room;
  }

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button.copy");
    if (button) {
      try {
        await navigator.clipboard.writeText(button.dataset.copy ?? button.parentElement.querySelector("pre").textContent);
        announce(status.dataset.copied);
        button.classList.add("copied");
        clearTimeout(copied.get(button));
        copied.set(button, setTimeout(() => button.classList.remove("copied"), COPIED_MS));
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
      fetch(form.action, { method: "POST", body: data, redirect: "manual" }).catch(() => document.dispatchEvent(new Event("studio:away")));
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
