// Apply the chosen theme, else the system's. Runs before the first paint.
(() => {
  const root = document.documentElement;
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const apply = () => {
    const chosen = root.dataset.chosen;
    const shown = chosen === "system" ? (dark.matches ? "dark" : "light") : chosen;
    root.setAttribute("data-bs-theme", shown);
  };
  apply();
  dark.addEventListener("change", apply);
  root.addEventListener("studio:theme", apply);
})();
