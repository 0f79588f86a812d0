// The live build page: one EventSource, reopened at its cursor when the connection is lost.
// (htmx's extension reconnects without the cursor and without a delay.)
(() => {
  const { page, log, lines, append, syncGroups } = window.studioLog;
  const state = document.getElementById("state");
  const steps = document.getElementById("steps");
  const logStatus = document.getElementById("log-state");
  const follow = document.getElementById("follow");
  const favicon = document.getElementById("favicon");
  let cursor = Number(page.dataset.after);
  let pause = 500;

  // Follow mode: keep the newest line visible until the reader scrolls up.
  const atEnd = () => log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  const toEnd = () => {
    log.scrollTop = log.scrollHeight;
  };
  let scrolledByUs = false;
  const followLog = () => {
    if (!follow?.checked) return;
    scrolledByUs = true;
    toEnd();
    requestAnimationFrame(() => {
      scrolledByUs = false;
    });
  };
  follow?.addEventListener("change", followLog);
  let lastTop = 0;
  log.addEventListener("scroll", () => {
    if (follow && !scrolledByUs && log.scrollTop < lastTop && !atEnd()) follow.checked = false;
    lastTop = log.scrollTop;
  });

  document.getElementById("wrap").addEventListener("change", followLog);

  const swap = (target, html) => {
    // Keep the focus on the same control when its part is replaced.
    const focused = target.contains(document.activeElement) ? document.activeElement : null;
    const path = focused && (focused.getAttribute("href") || focused.closest("form")?.getAttribute("action"));
    const folded = new Map([...target.querySelectorAll("details[data-key]")].map((part) => [part.dataset.key, part.open]));
    target.innerHTML = html;
    for (const part of target.querySelectorAll("details[data-key]")) {
      if (folded.has(part.dataset.key)) part.open = folded.get(part.dataset.key);
    }
    if (path) {
      const replacement = target.querySelector(`[href="${CSS.escape(path)}"], form[action="${CSS.escape(path)}"] button`);
      if (replacement) replacement.focus();
    }
    htmx.process(target);
    target.dispatchEvent(new CustomEvent("htmx:load", { bubbles: true, detail: { elt: target } }));
  };

  const updateTitle = () => {
    const head = state.querySelector("[data-title]");
    document.title = `${head.dataset.title} · Studio`;
    favicon.href = `${page.dataset.icons}${head.dataset.icon}.svg`;
  };

  const open = () => {
    const source = new EventSource(`${page.dataset.stream}?after=${cursor}`);
    source.addEventListener("open", () => {
      pause = 500;
      logStatus.textContent = lines.length ? "" : logStatus.dataset.waiting;
    });
    source.addEventListener("log", (event) => {
      const seq = Number(event.lastEventId);
      if (seq <= cursor) return;
      cursor = seq;
      const first = !lines.length;
      append(event.data);
      logStatus.textContent = "";
      followLog();
      if (first && location.hash) page.dispatchEvent(new Event("log:first"));
    });
    source.addEventListener("steps", (event) => {
      swap(steps, event.data);
      syncGroups();
    });
    source.addEventListener("state", (event) => {
      swap(state, event.data);
      page.dispatchEvent(new Event("build:state"));
      updateTitle();
    });
    source.addEventListener("end", () => {
      source.close();
      logStatus.textContent = "";
      if (follow) follow.closest("label").hidden = true;
      page.dataset.active = "no";
      document.getElementById("said").textContent = document.title;
      page.dispatchEvent(new Event("build:end"));
    });
    source.addEventListener("error", async () => {
      // The browser reconnects by itself after an interruption; when it gives up, reopen with backoff.
      logStatus.textContent = logStatus.dataset.lost;
      if (source.readyState !== EventSource.CLOSED) return;
      // The studio may refuse, after a logout or a loss of access: reload, so that the page explains it.
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
    followLog();
    open();
  }
})();
