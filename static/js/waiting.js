// A progress line while the page waits for a response, and an alert for failed requests.
(() => {
  const alertBox = document.getElementById("trouble");
  const message = alertBox.querySelector("p");
  const loginLink = alertBox.querySelector("a");
  const waiting = new Set();

  const update = () => document.documentElement.toggleAttribute("data-waiting", waiting.size > 0);
  const report = (text, signedOut = false) => {
    alertBox.hidden = !text;
    loginLink.hidden = !signedOut;
    message.textContent = text; // after it is shown, so that screen readers announce it
  };

  document.addEventListener("htmx:beforeRequest", (event) => {
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
  for (const name of ["htmx:sendError", "htmx:timeout"]) document.addEventListener(name, () => report(alertBox.dataset.away));
  alertBox.querySelector("button").addEventListener("click", () => report(""));
})();
