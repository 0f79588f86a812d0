// While the page waits for an answer a thin line runs along its top; an answer that is an error is told in words.
(() => {
  const trouble = document.getElementById("trouble");
  const words = trouble.querySelector("p");
  const door = trouble.querySelector("a");
  const waiting = new Set();

  const show = () => document.documentElement.toggleAttribute("data-waiting", waiting.size > 0);
  const tell = (text, signedOut = false) => {
    trouble.hidden = !text;
    door.hidden = !signedOut;
    words.textContent = text; // after it is shown: then it is read aloud
  };

  document.addEventListener("htmx:beforeRequest", (event) => {
    waiting.add(event.detail.xhr);
    show();
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    waiting.delete(event.detail.xhr);
    show();
    if (event.detail.successful && door.hidden) tell("");
  });
  document.addEventListener("htmx:beforeSwap", (event) => {
    // Whoever is no longer signed in was sent to the door: that belongs in no part of this page, which may hold
    // what they have typed. They go through the door in another window, and on with this page.
    if (new URL(event.detail.xhr.responseURL, location.href).pathname !== "/login/") return;
    event.detail.shouldSwap = false;
    door.href = `/login/?next=${encodeURIComponent(location.pathname + location.search)}`;
    tell(trouble.dataset.signedOut, true);
  });
  // Back from there, the forms of this page get the token that came with signing in: the old one is worth nothing.
  document.addEventListener("visibilitychange", async () => {
    if (document.hidden || door.hidden) return;
    try {
      const answer = await fetch(location.href);
      if (!answer.ok || answer.redirected) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const token = page.querySelector("[name=csrfmiddlewaretoken]");
      if (!token) return;
      for (const field of document.querySelectorAll("[name=csrfmiddlewaretoken]")) field.value = token.value;
      tell("");
    } catch {
      tell(trouble.dataset.away, true);
    }
  });
  document.addEventListener("htmx:responseError", (event) => tell(trouble.dataset.failed.replace("{}", event.detail.xhr.status)));
  for (const name of ["htmx:sendError", "htmx:timeout"]) document.addEventListener(name, () => tell(trouble.dataset.away));
  trouble.querySelector("button").addEventListener("click", () => tell(""));
})();
