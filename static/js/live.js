// Keeps what a page shows up to date: elements with an id and data-live="builds environments …".
// The workspace's stream names the topics that change; the page is then fetched again, and its parts are changed where
// the server's HTML has changed. What the reader did meanwhile stays: focus, open details, checked rows, typed text.
(() => {
  const body = document.body;
  const url = body.dataset.changes;
  const STALE_AFTER = 30_000; // ms without a stream
  const REST = 1000; // ms between two refreshes
  const SPREAD = 4; // ms for each page that is told of the same change
  const stale = document.getElementById("stale");
  const sent = new Map(); // each part as the server sent it last, by its id
  const pending = new Set(); // topics to refresh
  let position = body.dataset.position || "";
  let source = null; // what `close` ends
  let pages = 1;
  let timer = 0;
  let refreshing = false;
  let lastRefresh = 0;
  let swaps = 0;
  let staleTimer = 0;
  let retryTimer = 0;
  let pause = 1000;

  const remember = (part) => {
    if (part.id) sent.set(part.id, part.cloneNode(true));
  };
  const rememberWithin = (element) => {
    if (element.matches?.("[data-live]")) remember(element);
    for (const part of element.querySelectorAll("[data-live]")) remember(part);
  };
  rememberWithin(document.documentElement);

  // --- Merging: `live` is on the page, `old` was sent before, `fresh` was sent now. Only what differs between the
  // last two changes on the page.

  const keysOf = (parent) => {
    const counts = new Map();
    const keyed = new Map();
    for (const node of parent.childNodes) {
      let key = node.nodeName;
      if (node.nodeType === Node.ELEMENT_NODE) {
        const own = node.id || node.dataset.key || (node.matches("tr, li, option") && (node.value || node.querySelector("a[href]")?.getAttribute("href")));
        if (own) key += ` ${own}`;
      }
      const number = (counts.get(key) || 0) + 1;
      counts.set(key, number);
      keyed.set(`${key} ${number}`, node);
    }
    return keyed;
  };

  const isTime = (node) => node.nodeName === "TIME" || (node.nodeType === Node.ELEMENT_NODE && node.hasAttribute("data-countdown"));

  const mergeAttributes = (live, old, fresh) => {
    for (const { name, value } of fresh.attributes) {
      if (old.getAttribute(name) !== value) live.setAttribute(name, value);
    }
    for (const { name } of old.attributes) {
      if (!fresh.hasAttribute(name)) live.removeAttribute(name);
    }
  };

  const merge = (live, old, fresh) => {
    if (old.isEqualNode(fresh)) return;
    // data-live-keep: once it differs, the element stays as the reader has it.
    if (live.nodeType === Node.ELEMENT_NODE && live.dataset.liveKeep !== fresh.dataset.liveKeep) return;
    if (live.nodeType !== Node.ELEMENT_NODE) {
      if (old.data !== fresh.data) live.data = fresh.data;
      return;
    }
    mergeAttributes(live, old, fresh);
    if (isTime(live)) {
      // Its text is a script's, which shows it again if the time is another.
      delete live.dataset.exact;
      return;
    }
    if (live.nodeName === "TEXTAREA") return;
    const [mine, before, after] = [keysOf(live), keysOf(old), keysOf(fresh)];
    for (const [key, node] of before) {
      if (!after.has(key)) mine.get(key)?.remove();
    }
    let last = null; // the previous child, on the page
    for (const [key, node] of after) {
      let child = mine.get(key);
      if (child && before.has(key)) {
        merge(child, before.get(key), node);
      } else if (!child && !before.has(key)) {
        child = document.importNode(node, true);
      }
      if (!child) continue; // a script has taken it away
      const next = last ? last.nextSibling : live.firstChild;
      // Moving an element would take its focus: only what is out of order is moved.
      if (child !== next && !(child.isConnected && last && last.compareDocumentPosition(child) & Node.DOCUMENT_POSITION_FOLLOWING && onlyForeign(last, child, after, mine))) {
        live.insertBefore(child, next);
      }
      last = child;
    }
  };

  // Whether only nodes that scripts have put there are between two children.
  const onlyForeign = (first, second, after, mine) => {
    const known = new Set([...mine].filter(([key]) => after.has(key)).map(([, node]) => node));
    for (let node = first.nextSibling; node && node !== second; node = node.nextSibling) if (known.has(node)) return false;
    return true;
  };

  const replace = (part, fresh) => {
    const old = sent.get(part.id);
    sent.set(part.id, fresh.cloneNode(true));
    if (!old || old.isEqualNode(fresh)) return;
    const hadFocus = part.contains(document.activeElement) ? document.activeElement : null;
    const path = hadFocus?.getAttribute("href");
    merge(part, old, fresh);
    if (hadFocus && !hadFocus.isConnected) {
      const again = path ? part.querySelector(`[href="${CSS.escape(path)}"]`) : null;
      (again || document.getElementById("main"))?.focus({ preventScroll: true });
    }
    if (window.htmx) htmx.process(part);
    part.dispatchEvent(new CustomEvent("htmx:load", { bubbles: true, detail: { elt: part, live: true } }));
    part.dispatchEvent(new CustomEvent("studio:refreshed", { bubbles: true }));
  };

  // --- Refreshing

  const partsOf = (topics) =>
    [...document.querySelectorAll("[data-live][id]")].filter((part) => part.dataset.live.split(" ").some((topic) => topics.has(topic)));

  const refreshFrom = async (address, parts) => {
    const began = swaps;
    const answer = await fetch(address, { headers: { Accept: "text/html" } });
    if (answer.redirected && new URL(answer.url).pathname.startsWith("/login/")) {
      close();
      showStale();
      return;
    }
    if (!answer.ok) {
      if (answer.status >= 500) throw new Error(String(answer.status));
      return; // gone, or no longer the reader's: the page stays as it was
    }
    const text = await answer.text();
    if (began !== swaps) throw new Error("the page has changed meanwhile");
    const page = new DOMParser().parseFromString(text, "text/html");
    for (const part of parts) {
      const fresh = page.getElementById(part.id);
      if (fresh && part.isConnected) replace(part, fresh);
    }
  };

  const refresh = async () => {
    timer = 0;
    if (document.hidden || refreshing || !pending.size) return;
    refreshing = true;
    const topics = new Set(pending);
    pending.clear();
    const addresses = new Map();
    for (const part of partsOf(topics)) {
      // The answer to a form has no address of its own: only parts with theirs can be fetched again.
      const address = part.dataset.liveUrl || ("answer" in body.dataset ? "" : location.pathname + location.search);
      if (address) addresses.set(address, [...(addresses.get(address) || []), part]);
    }
    try {
      await Promise.all([...addresses].map(([address, parts]) => refreshFrom(address, parts)));
      lastRefresh = Date.now();
    } catch {
      lastRefresh = Date.now() + 2 * REST; // the studio is away, or the page was changed: once more, a little later
      for (const topic of topics) pending.add(topic);
    }
    refreshing = false;
    if (pending.size) schedule();
  };

  const schedule = () => {
    if (timer || refreshing || document.hidden) return;
    const rest = Math.max(0, lastRefresh + REST - Date.now());
    timer = setTimeout(refresh, rest + Math.random() * Math.min(10_000, pages > 10 ? pages * SPREAD : 0));
  };

  // --- The stream: open while the page is visible

  const showStale = () => {
    if (stale) stale.hidden = false;
  };
  const markLost = () => {
    staleTimer ||= setTimeout(showStale, STALE_AFTER);
  };
  const markConnected = () => {
    body.dataset.connected = "";
    clearTimeout(staleTimer);
    staleTimer = 0;
    pause = 1000;
    if (stale) stale.hidden = true;
  };

  const heard = (topics, many, at) => {
    position = at;
    pages = many;
    for (const topic of topics.includes("*") ? everyTopic() : topics) pending.add(topic);
    schedule();
  };
  const everyTopic = () => new Set([...document.querySelectorAll("[data-live][id]")].flatMap((part) => part.dataset.live.split(" ")));

  // A stream of this page's own, where the browser has no shared workers.
  const openOwn = () => {
    const opened = new EventSource(`${url}?since=${encodeURIComponent(position)}`);
    source = opened;
    opened.addEventListener("open", markConnected);
    opened.addEventListener("changes", (event) => {
      const change = JSON.parse(event.data);
      heard(change.topics, change.pages, event.lastEventId);
    });
    opened.addEventListener("error", () => {
      markLost();
      if (opened.readyState !== EventSource.CLOSED || source !== opened) return;
      // The browser has given up: the studio answered with an error, or the reader may no longer see the workspace.
      source = null;
      retryTimer = setTimeout(open, pause * (0.5 + Math.random()));
      pause = Math.min(pause * 2, 60_000);
    });
  };

  // The stream that all pages of the browser share.
  let port = null;
  const openShared = () => {
    if (!port) {
      const worker = new SharedWorker(body.dataset.liveWorker);
      worker.addEventListener("error", () => {
        port = null;
        delete body.dataset.liveWorker;
        if (source) openOwn();
      });
      port = worker.port;
      port.addEventListener("message", ({ data }) => {
        if (!source) return; // closed meanwhile
        if (data.type === "open") markConnected();
        else if (data.type === "lost") markLost();
        else heard(data.topics, data.pages, data.position);
      });
      port.start();
    }
    const shared = port;
    source = { close: () => shared.postMessage({ type: "close" }) };
    port.postMessage({ type: "open", url, key: `${url} ${body.dataset.reader}`, since: position });
  };

  const open = () => {
    if (source || document.hidden || !url) return;
    clearTimeout(retryTimer);
    if (window.SharedWorker && body.dataset.liveWorker) {
      try {
        openShared();
        return;
      } catch {
        delete body.dataset.liveWorker; // its file is on another host, or the reader's settings forbid it
      }
    }
    openOwn();
  };
  const close = () => {
    delete body.dataset.connected;
    source?.close();
    source = null;
    clearTimeout(retryTimer);
  };

  if (url) {
    // Hidden pages need no stream.
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) {
        close();
      } else {
        open();
        if (pending.size) schedule();
      }
    });
    window.addEventListener("pagehide", close);
    window.addEventListener("pageshow", (event) => {
      if (event.persisted) open();
    });
    document.addEventListener("htmx:load", (event) => {
      // htmx also reports the page itself as loaded, once the other scripts have changed it.
      if (event.detail.live || event.detail.elt === body) return;
      swaps += 1;
      rememberWithin(event.detail.elt);
    });
    if (document.readyState === "complete") open();
    else window.addEventListener("load", open); // no page waits for its stream
  }
})();
