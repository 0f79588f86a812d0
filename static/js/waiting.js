// A progress line while the page waits for a response, and an alert for failed requests. A request that gets no response
// is sent once more if it changes nothing: browsers drop requests when any network of the machine comes or goes.
(() => {
  const alertBox = document.getElementById("trouble");
  const message = alertBox.querySelector("p");
  const loginLink = alertBox.querySelector("a");
  const waiting = new Set();
  const AGAIN = 500; // milliseconds
  const repeats = new WeakMap(); // element → the timer that repeats its request, until its next request
  let repeating = null; // the element whose request a timer repeats now

  const update = () => document.documentElement.toggleAttribute("data-waiting", waiting.size > 0);
  const report = (text, signedOut = false) => {
    alertBox.hidden = !text;
    loginLink.hidden = !signedOut;
    message.textContent = text; // after it is shown, so that screen readers announce it
  };

  document.addEventListener("htmx:beforeRequest", (event) => {
    const { elt } = event.detail;
    clearTimeout(repeats.get(elt));
    if (elt !== repeating) repeats.delete(elt);
    waiting.add(event.detail.xhr);
    update();
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    waiting.delete(event.detail.xhr);
    update();
    if (event.detail.successful && loginLink.hidden) report("");
  });
  document.addEventListener("htmx:beforeSwap", (event) => {
    // A signed-out user was redirected to the login page. Do not swap that into this page, which may contain
    // unsaved input: they sign in in another window and continue here.
    if (new URL(event.detail.xhr.responseURL, location.href).pathname !== "/login/") return;
    event.detail.shouldSwap = false;
    loginLink.href = `/login/?next=${encodeURIComponent(location.pathname + location.search)}`;
    report(alertBox.dataset.signedOut, true);
  });
  // After that login the forms of this page need the new CSRF token.
  document.addEventListener("visibilitychange", async () => {
    if (document.hidden || loginLink.hidden) return;
    try {
      const answer = await fetch(location.href);
      if (!answer.ok || answer.redirected) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const token = page.querySelector("[name=csrfmiddlewaretoken]");
      if (!token) return;
      for (const field of document.querySelectorAll("[name=csrfmiddlewaretoken]")) field.value = token.value;
      report("");
    } catch {
      report(alertBox.dataset.away, true);
    }
  });
  document.addEventListener("htmx:responseError", (event) => report(alertBox.dataset.failed.replace("{}", event.detail.xhr.status)));
  const changesNothing = ({ elt, requestConfig }) => requestConfig.verb === "get" || elt.hasAttribute("data-repeatable");
  const repeat = ({ elt, requestConfig, pathInfo }) => {
    repeating = elt;
    // What comes of it is reported by its events.
    htmx.ajax(requestConfig.verb, pathInfo.requestPath, { source: elt, event: requestConfig.triggeringEvent }).catch(() => {});
    repeating = null;
  };
  document.addEventListener("htmx:sendError", ({ detail }) => {
    if (changesNothing(detail) && !repeats.has(detail.elt)) {
      repeats.set(detail.elt, setTimeout(repeat, AGAIN, detail));
      return;
    }
    repeats.delete(detail.elt);
    report(alertBox.dataset.away);
  });
  for (const name of ["htmx:timeout", "studio:away"]) document.addEventListener(name, () => report(alertBox.dataset.away));
  alertBox.querySelector("button").addEventListener("click", () => report(""));
})();
