// Keyboard shortcuts: "/" goes to the search, "j" and "k" move along the rows of a list, "x" selects a row, "?" shows help. Enter and
// Escape are the browser's own: the current row's link has the focus, and the help is a dialog.
(() => {
  const help = document.getElementById("keys");
  // Pages name the key as most keyboards do; on a Mac, ⌘ does the same.
  if (/^(Mac|iP)/.test(navigator.platform)) {
    document.addEventListener("htmx:load", ({ detail }) => {
      for (const key of detail.elt.querySelectorAll("kbd")) key.textContent = key.textContent.replace("Ctrl", "⌘");
      for (const { dataset } of detail.elt.querySelectorAll("[data-done]")) dataset.done = dataset.done.replace("Ctrl", "⌘");
    });
  }
  const WRITTEN = "input:not([type=checkbox], [type=radio], [type=button], [type=submit]), textarea, select, [contenteditable]";

  // The main link of a row; rows without links are skipped.
  const linkOf = (row) => row.querySelector("a.name[href], a[href]");
  const rows = () => [...document.querySelectorAll("main table.list tbody tr, main ol.events > li")].filter((row) => linkOf(row) && row.offsetParent !== null);

  const go = (by) => {
    const all = rows();
    if (!all.length) return;
    const at = all.findIndex((row) => row.contains(document.activeElement));
    const next = at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(Math.max(at + by, 0), all.length - 1);
    const link = linkOf(all[next]);
    link.focus({ preventScroll: true });
    all[next].scrollIntoView({ block: "nearest" });
  };

  // The page's own filter; on pages without one, the palette.
  const search = () => {
    const field = document.querySelector("main form.filters input[type=search], main .package-filter input[type=search]");
    if (field) {
      field.focus();
      field.select();
    } else {
      document.dispatchEvent(new CustomEvent("studio:palette"));
    }
  };

  // Selected rows are compared, built or archived together.
  const choose = () => rows().find((row) => row.contains(document.activeElement))?.querySelector(".choose")?.click();

  const KEYS = { "/": search, x: choose, j: () => go(1), k: () => go(-1), "?": () => help?.showModal() };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.defaultPrevented) return;
    if (event.target.closest(WRITTEN) || document.querySelector("dialog[open]")) return;
    const act = KEYS[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });

  for (const button of document.querySelectorAll("button[data-keys]")) {
    button.hidden = false;
    button.addEventListener("click", () => help.showModal());
  }
  // A click beside the help closes it.
  help?.addEventListener("click", (event) => {
    if (event.target === help) help.close();
  });

  // A list that is drawn again keeps the focus on the same row, or on the one that came into its place.
  let kept = null;
  document.addEventListener("htmx:beforeSwap", () => {
    const at = rows().findIndex((row) => row.contains(document.activeElement));
    kept = at < 0 ? null : { at, href: document.activeElement.getAttribute("href") };
  });
  document.addEventListener("htmx:afterSettle", () => {
    if (!kept || (document.activeElement && document.activeElement !== document.body)) return;
    const all = rows();
    const row = all.find((one) => linkOf(one).getAttribute("href") === kept.href) || all[Math.min(kept.at, all.length - 1)];
    if (row) linkOf(row).focus({ preventScroll: true });
    kept = null;
  });
})();
