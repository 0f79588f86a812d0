// Estimates count down each second: <span class="estimate" data-until data-template="About {time} left" data-late>.
(() => {
  // As `roughly` in builds/statistics/estimates.py writes it.
  const roughly = (seconds) => {
    if (seconds < 17.5) return `${Math.max(1, Math.round(seconds))} s`;
    if (seconds < 87.5) return `${5 * Math.round(seconds / 5)} s`;
    const minutes = seconds < 3600 ? Math.max(2, Math.round(seconds / 60)) : 10 * Math.round(seconds / 600);
    if (minutes < 60) return `${minutes} min`;
    return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
  };
  const show = () => {
    for (const estimate of document.querySelectorAll(".estimate[data-until]")) {
      const left = (new Date(estimate.dataset.until) - Date.now()) / 1000;
      const text = left >= 1 ? estimate.dataset.template.replace("{time}", roughly(left)) : estimate.dataset.late;
      if (estimate.textContent !== text) estimate.textContent = text;
    }
  };
  show();
  document.addEventListener("htmx:load", show);
  setInterval(() => {
    if (!document.hidden) show();
  }, 1000);
})();
