// The build page, live: one EventSource, opened again from where it was when the connection is lost.
// (htmx's extension opens a new source without the cursor and without a pause, so the page has its own.)
(() => {
  const page = document.getElementById("build");
  const log = document.getElementById("log");
  const state = document.getElementById("state");
  const steps = document.getElementById("steps");
  const said = document.getElementById("log-state");
  const follow = document.getElementById("follow");
  const wrap = document.getElementById("wrap");
  const favicon = document.getElementById("favicon");
  let cursor = Number(page.dataset.after);
  let pause = 500;

  for (const part of page.querySelectorAll(".js-only")) part.hidden = false;

  // Following: the newest line stays in sight until the reader scrolls up, and again once back at the end.
  const atEnd = () => log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  const toEnd = () => {
    log.scrollTop = log.scrollHeight;
  };
  let scrolledByUs = false;
  const keepUp = () => {
    if (!follow.checked) return;
    scrolledByUs = true;
    toEnd();
    requestAnimationFrame(() => {
      scrolledByUs = false;
    });
  };
  follow.addEventListener("change", keepUp);
  let lastTop = 0;
  log.addEventListener("scroll", () => {
    if (!scrolledByUs && log.scrollTop < lastTop && !atEnd()) follow.checked = false;
    lastTop = log.scrollTop;
  });

  const keptWrap = () => {
    try {
      return localStorage.getItem("studio:wrap") === "yes";
    } catch {
      return false; // storage can be switched off; the switch then works for this page
    }
  };
  const setWrap = (on) => {
    log.classList.toggle("wrap", on);
    wrap.checked = on;
  };
  setWrap(keptWrap());
  wrap.addEventListener("change", () => {
    setWrap(wrap.checked);
    try {
      localStorage.setItem("studio:wrap", wrap.checked ? "yes" : "no");
    } catch {
      said.dataset.note = "not kept";
    }
    keepUp();
  });

  const swap = (target, html) => {
    // What the reader is about to press keeps the focus when its part is drawn anew.
    const focused = target.contains(document.activeElement) ? document.activeElement : null;
    const path = focused && (focused.getAttribute("href") || focused.closest("form")?.getAttribute("action"));
    const folded = new Map([...target.querySelectorAll("details[data-key]")].map((part) => [part.dataset.key, part.open]));
    target.innerHTML = html;
    for (const part of target.querySelectorAll("details[data-key]")) {
      if (folded.has(part.dataset.key)) part.open = folded.get(part.dataset.key);
    }
    if (path) {
      const again = target.querySelector(`[href="${CSS.escape(path)}"], form[action="${CSS.escape(path)}"] button`);
      if (again) again.focus();
    }
    htmx.process(target);
    target.dispatchEvent(new CustomEvent("htmx:load", { bubbles: true, detail: { elt: target } }));
  };

  const tell = () => {
    const head = state.querySelector("[data-title]");
    document.title = `${head.dataset.title} · Studio`;
    favicon.href = `${page.dataset.icons}${head.dataset.icon}.svg`;
  };

  const open = () => {
    const source = new EventSource(`${page.dataset.stream}?after=${cursor}`);
    source.addEventListener("open", () => {
      pause = 500;
      said.textContent = log.childElementCount ? "" : said.dataset.waiting;
    });
    source.addEventListener("log", (event) => {
      const seq = Number(event.lastEventId);
      if (seq <= cursor) return;
      cursor = seq;
      const first = !log.childElementCount;
      log.insertAdjacentHTML("beforeend", event.data);
      said.textContent = "";
      keepUp();
      if (first && location.hash) page.dispatchEvent(new Event("log:first"));
    });
    source.addEventListener("steps", (event) => swap(steps, event.data));
    source.addEventListener("state", (event) => {
      swap(state, event.data);
      tell();
    });
    source.addEventListener("end", () => {
      source.close();
      said.textContent = "";
      follow.checked = false;
      page.dataset.active = "no";
      document.getElementById("said").textContent = document.title;
      page.dispatchEvent(new Event("build:end"));
    });
    source.addEventListener("error", async () => {
      // The browser comes back by itself after a cut; what it gives up on, we open again, ever more slowly.
      said.textContent = said.dataset.lost;
      if (source.readyState !== EventSource.CLOSED) return;
      // Or the studio refuses: whoever is signed out, or may no longer see this, is told so by the page itself.
      const answer = await fetch(location.pathname, { method: "HEAD" }).catch(() => null);
      if (answer && (answer.redirected || answer.status === 403 || answer.status === 404)) {
        location.reload();
        return;
      }
      setTimeout(open, pause);
      pause = Math.min(pause * 2, 15000);
    });
    window.addEventListener("pagehide", () => source.close(), { once: true });
  };

  if (page.dataset.active === "yes") {
    keepUp();
    open();
  } else if (!location.hash && log.querySelector(".log-gap")) {
    toEnd(); // of a long log the last part is there first, so it is in sight first
  }
})();
