// The form of a definition: line numbers, files dropped on the text, and a finding's line selected on a click.
(() => {
  const text = document.getElementById("id_text");
  const file = document.getElementById("id_file");
  const filename = document.getElementById("id_filename");
  const dropped = document.getElementById("dropped");
  const review = document.getElementById("review");
  const LARGEST_TEXT = 1024 * 1024;
  const ARCHIVE = /\.(zip|tar|tgz|tar\.(gz|bz2|xz))$/i;

  const lines = document.createElement("div");
  lines.className = "editor-lines";
  lines.setAttribute("aria-hidden", "true");
  text.before(lines);
  text.parentElement.classList.add("numbered");
  let shown = 0;
  const number = () => {
    const count = text.value.split("\n").length;
    if (count !== shown) {
      lines.textContent = Array.from({ length: count }, (_, index) => index + 1).join("\n");
      shown = count;
    }
    lines.scrollTop = text.scrollTop;
  };
  text.addEventListener("input", number);
  text.addEventListener("scroll", () => {
    lines.scrollTop = text.scrollTop;
  });
  number();

  // A text file becomes the text, so that it can be edited; anything else is sent as it is.
  const take = async (given) => {
    if (ARCHIVE.test(given.name) || given.size > LARGEST_TEXT) {
      const transfer = new DataTransfer();
      transfer.items.add(given);
      file.files = transfer.files;
      dropped.textContent = dropped.dataset.sent.replace("{file}", () => given.name);
    } else {
      text.value = await given.text();
      file.value = "";
      filename.value = given.name;
      dropped.textContent = dropped.dataset.taken.replace("{file}", () => given.name);
      number();
    }
    document.body.dispatchEvent(new Event("studio:file"));
  };
  file.addEventListener("change", (event) => {
    if (file.files.length) {
      event.stopImmediatePropagation();
      take(file.files[0]);
    }
  });
  for (const kind of ["dragenter", "dragover"]) {
    text.addEventListener(kind, (event) => {
      if (!event.dataTransfer.types.includes("Files")) return;
      event.preventDefault();
      text.classList.add("dragging");
    });
  }
  for (const kind of ["dragleave", "drop"]) text.addEventListener(kind, () => text.classList.remove("dragging"));
  text.addEventListener("drop", (event) => {
    if (!event.dataTransfer.files.length) return;
    event.preventDefault();
    take(event.dataTransfer.files[0]);
  });

  // The name of a file says how to read it; a text that was replaced altogether has none.
  text.addEventListener("paste", () => {
    if (text.selectionStart === 0 && text.selectionEnd === text.value.length) filename.value = "";
  });

  review.addEventListener("click", (event) => {
    const link = event.target.closest("[data-line]");
    if (!link) return;
    event.preventDefault();
    const all = text.value.split("\n");
    const line = Number(link.dataset.line);
    const start = all.slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0);
    text.focus();
    text.setSelectionRange(start, start + (all[line - 1] || "").length);
    const height = text.scrollHeight / Math.max(all.length, 1);
    text.scrollTop = Math.max(0, (line - 5) * height);
  });
})();
