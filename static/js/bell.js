// Toasts: `studio:toast` shows one for about five seconds. The bell shows them for what the reader started.
(() => {
  const SHOWN = 5000; // ms
  const FRESH = 30_000; // ms: older news are under the bell, and need no toast
  const MOST = 3;
  const area = document.getElementById("toasts");
  if (!area) return;

  const icon = (name) => {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("class", "icon");
    svg.setAttribute("aria-hidden", "true");
    const file = document.querySelector("svg.icon use")?.getAttribute("href")?.split("#")[0];
    const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
    use.setAttribute("href", `${file}#${name}`);
    svg.append(use);
    return svg;
  };

  const toast = ({ text, level = "info", href = "" }) => {
    const note = document.createElement("div");
    note.className = `toast-note toast-${["success", "error", "warning"].includes(level) ? level : "info"}`;
    const words = document.createElement("p");
    if (href) {
      const link = document.createElement("a");
      link.href = href;
      link.textContent = text;
      words.append(link);
    } else {
      words.textContent = text;
    }
    const button = document.createElement("button");
    button.type = "button";
    button.className = "dismiss";
    button.setAttribute("aria-label", area.dataset.dismiss);
    button.append(icon("x"));
    note.append(words, button);
    let timer = 0;
    const end = () => {
      clearTimeout(timer);
      note.remove();
    };
    const start = () => {
      clearTimeout(timer);
      timer = setTimeout(end, SHOWN);
    };
    // It stays as long as somebody reads it.
    for (const event of ["pointerenter", "focusin"]) note.addEventListener(event, () => clearTimeout(timer));
    for (const event of ["pointerleave", "focusout"]) note.addEventListener(event, start);
    button.addEventListener("click", end);
    while (area.childElementCount >= MOST) area.firstElementChild.remove();
    area.append(note);
    start();
  };
  document.addEventListener("studio:toast", (event) => toast(event.detail));

  // The newest notice that this page knows, and that any page of this browser has shown.
  const KEY = "studio:notice";
  let known = 0;
  const shownBefore = () => {
    try {
      return Number(localStorage.getItem(KEY)) || 0;
    } catch {
      return Infinity; // storage can be switched off: what a page brings along has then no toast
    }
  };
  const markShown = (number) => {
    known = Math.max(known, number);
    try {
      localStorage.setItem(KEY, String(Math.max(known, shownBefore())));
    } catch {
      area.dataset.note = "not kept";
    }
  };

  const showNew = (changed) => {
    const shown = changed ? known : shownBefore();
    const unread = [...document.querySelectorAll("#bell [data-notice]")].filter((item) => Number(item.dataset.notice) > shown);
    if (!unread.length) return;
    markShown(Math.max(...unread.map((item) => Number(item.dataset.notice))));
    for (const item of unread.reverse()) {
      const link = item.querySelector("a[href]");
      if (changed && link && link.pathname === location.pathname) {
        // The page is what it is about.
        item.querySelector("form")?.requestSubmit();
      } else if ("own" in item.dataset && Date.now() - new Date(item.dataset.at) < FRESH) {
        toast({ text: (link || item.querySelector(".bell-item span")).textContent, level: item.dataset.level, href: link?.getAttribute("href") });
      }
    }
  };
  showNew(false);
  document.addEventListener("htmx:load", (event) => {
    if (event.detail.elt.id === "bell") showNew(true);
  });
})();
