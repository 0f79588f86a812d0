// A notification of the browser when a build ends, for those who want one and look at something else meanwhile.
(() => {
  const page = document.getElementById("build");
  const wanted = document.getElementById("tell");
  if (!("Notification" in window) || page.dataset.active !== "yes") return;

  const kept = () => {
    try {
      return localStorage.getItem("studio:tell") === "yes";
    } catch {
      return false; // storage can be switched off; the switch then works for this page
    }
  };
  const keep = (on) => {
    try {
      localStorage.setItem("studio:tell", on ? "yes" : "no");
    } catch {
      wanted.dataset.note = "not kept";
    }
  };

  wanted.closest("label").hidden = false;
  wanted.checked = kept() && Notification.permission === "granted";
  wanted.addEventListener("change", async () => {
    if (wanted.checked && (await Notification.requestPermission()) !== "granted") {
      wanted.checked = false;
      document.getElementById("said").textContent = wanted.dataset.refused;
    }
    keep(wanted.checked);
  });
  page.addEventListener("build:end", () => {
    wanted.closest("label").hidden = true;
    if (!wanted.checked || document.hasFocus()) return;
    const note = new Notification(document.title, { icon: document.getElementById("favicon").href, tag: location.pathname });
    note.addEventListener("click", () => {
      window.focus();
      note.close();
    });
  });
})();
