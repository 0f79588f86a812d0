// A browser notification at the end of a build, for users who enabled it and are in another window.
(() => {
  const page = document.getElementById("build");
  const toggle = document.getElementById("tell");
  if (!("Notification" in window) || page.dataset.active !== "yes") return;

  const isEnabled = () => {
    try {
      return localStorage.getItem("studio:tell") === "yes";
    } catch {
      return false; // storage can be switched off; the switch then works for this page
    }
  };
  const setEnabled = (on) => {
    try {
      localStorage.setItem("studio:tell", on ? "yes" : "no");
    } catch {
      toggle.dataset.note = "not kept";
    }
  };

  toggle.closest("label").hidden = false;
  toggle.checked = isEnabled() && Notification.permission === "granted";
  toggle.addEventListener("change", async () => {
    if (toggle.checked && (await Notification.requestPermission()) !== "granted") {
      toggle.checked = false;
      document.getElementById("said").textContent = toggle.dataset.refused;
    }
    setEnabled(toggle.checked);
  });
  page.addEventListener("build:end", () => {
    toggle.closest("label").hidden = true;
    if (!toggle.checked || document.hasFocus()) return;
    const notification = new Notification(document.title, { icon: document.getElementById("favicon").href, tag: location.pathname });
    notification.addEventListener("click", () => {
      window.focus();
      notification.close();
    });
  });
})();
