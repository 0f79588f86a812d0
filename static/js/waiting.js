// While the page waits for an answer a thin line runs along its top; an answer that is an error is told in words.
(() => {
  const trouble = document.getElementById("trouble");
  const words = trouble.querySelector("p");
  const waiting = new Set();

  const show = () => document.documentElement.toggleAttribute("data-waiting", waiting.size > 0);
  const tell = (text) => {
    trouble.hidden = !text;
    words.textContent = text; // after it is shown: then it is read aloud
  };

  document.addEventListener("htmx:beforeRequest", (event) => {
    waiting.add(event.detail.xhr);
    show();
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    waiting.delete(event.detail.xhr);
    show();
    if (event.detail.successful) tell("");
  });
  document.addEventListener("htmx:beforeSwap", (event) => {
    // Whoever is no longer signed in was sent to the door: that belongs in no part of this page.
    if (new URL(event.detail.xhr.responseURL, location.href).pathname !== "/login/") return;
    event.detail.shouldSwap = false;
    location.reload();
  });
  document.addEventListener("htmx:responseError", (event) => tell(trouble.dataset.failed.replace("{}", event.detail.xhr.status)));
  for (const name of ["htmx:sendError", "htmx:timeout"]) document.addEventListener(name, () => tell(trouble.dataset.away));
  trouble.querySelector("button").addEventListener("click", () => tell(""));
})();
