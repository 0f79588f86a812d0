// Counts down to what is expected: <span data-countdown="TIME" data-left="About {time} left" data-late="…">.
(() => {
  const show = () => {
    if (document.hidden) return;
    const now = Date.now();
    for (const part of document.querySelectorAll("[data-countdown]")) {
      const seconds = (new Date(part.dataset.countdown) - now) / 1000;
      const text = seconds > 0 ? part.dataset.left.replace("{time}", window.studioTimes.duration(Math.ceil(seconds))) : part.dataset.late;
      if (part.textContent !== text) part.textContent = text;
    }
  };
  show();
  setInterval(show, 1000);
  document.addEventListener("htmx:load", show);
})();
