// The form of a definition: files that become its text, a finding's line, and the way to the review and back.
// It works on the plain text area; where the editor runs, `text.editor` stands for it.
(() => {
  const form = document.getElementById("define");
  if (!form) return;
  const text = document.getElementById("id_text");
  const file = document.getElementById("id_file");
  const filename = document.getElementById("id_filename");
  const dropped = document.getElementById("dropped");
  const LARGEST_TEXT = 1024 * 1024;
  const ARCHIVE = /\.(zip|tar|tgz|tar\.(gz|bz2|xz))$/i;

  const put = (value) => {
    if (text.editor) text.editor.set(value);
    else text.value = value;
  };
  const tell = (words, name) => {
    dropped.textContent = words.replace("{file}", () => name);
  };

  // A text file becomes the text, so that it can be edited; anything else is sent as it is.
  const take = async (given) => {
    if (!text || ARCHIVE.test(given.name) || given.size > LARGEST_TEXT) {
      const transfer = new DataTransfer();
      transfer.items.add(given);
      file.files = transfer.files;
      filename.value = "";
      tell(dropped.dataset.sent, given.name);
    } else {
      put(await given.text());
      file.value = "";
      filename.value = given.name;
      tell(dropped.dataset.taken, given.name);
    }
    document.body.dispatchEvent(new Event("studio:file"));
  };
  if (file) {
    file.addEventListener("change", (event) => {
      if (!file.files.length) return;
      event.stopImmediatePropagation();
      take(file.files[0]);
    });
  }
  const target = file && form.querySelector("[data-drop]");
  if (target) {
    for (const kind of ["dragenter", "dragover"]) {
      target.addEventListener(kind, (event) => {
        if (!event.dataTransfer.types.includes("Files")) return;
        event.preventDefault();
        target.classList.add("dragging");
      });
    }
    for (const kind of ["dragleave", "drop"]) target.addEventListener(kind, () => target.classList.remove("dragging"));
    target.addEventListener("drop", (event) => {
      if (!event.dataTransfer.files.length) return;
      event.preventDefault();
      take(event.dataTransfer.files[0]);
    });
  }

  // The name of a file says how to read it; a text that was replaced altogether has none.
  const replaced = () => (text.editor ? text.editor.replaced() : text.selectionStart === 0 && text.selectionEnd === text.value.length);
  const forget = () => {
    if (filename && replaced()) filename.value = "";
  };
  if (text) {
    text.parentElement.addEventListener("paste", forget, { capture: true });
    text.addEventListener("input", () => {
      if (text.value.trim() || !filename.value) return;
      filename.value = "";
      dropped.textContent = "";
    });
  }

  const show = (line) => {
    if (text.editor) {
      text.editor.show(line);
      return;
    }
    const all = text.value.split("\n");
    const start = all.slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0);
    text.focus();
    text.setSelectionRange(start, start + (all[line - 1] || "").length);
    text.scrollTop = Math.max(0, (line - 5) * (text.scrollHeight / Math.max(all.length, 1)));
  };

  // The two steps stand in one form, so that a chosen file and all that was typed stay.
  const defining = document.getElementById("step-define");
  const reviewing = document.getElementById("step-review");
  const step = (reviewed) => {
    defining.hidden = reviewed;
    reviewing.hidden = !reviewed;
    for (const mark of document.querySelectorAll("[data-step]")) {
      if ((mark.dataset.step === "review") === reviewed) mark.setAttribute("aria-current", "step");
      else mark.removeAttribute("aria-current");
    }
    window.scrollTo(0, 0);
  };
  const back = () => {
    if (!reviewing || reviewing.hidden) return;
    step(false);
    if (location.hash === "#review") history.back();
  };
  document.body.addEventListener("htmx:afterSwap", (event) => {
    if (!reviewing || event.detail.target !== reviewing) return;
    step(true);
    if (location.hash !== "#review") history.pushState(null, "", "#review");
    reviewing.querySelector("h2")?.focus();
  });
  window.addEventListener("popstate", () => {
    if (reviewing && location.hash !== "#review" && !reviewing.hidden) step(false);
  });

  form.addEventListener("click", (event) => {
    const line = event.target.closest("[data-line] a, a[data-line]");
    if (line && text) {
      event.preventDefault();
      back();
      show(Number(line.closest("[data-line]").dataset.line));
      return;
    }
    if (event.target.closest("[data-back]") && text) {
      event.preventDefault();
      back();
      form.querySelector(event.target.closest("[data-back]").dataset.back || "[role=textbox]")?.focus();
    }
  });

  // Ctrl+Enter goes on: to the review, and from there to nothing without a look at it.
  const onward = () => {
    const button = document.getElementById("to-review");
    if (button && !defining.hidden) button.click();
  };
  document.addEventListener("studio:onward", onward);
  form.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || event.defaultPrevented) return;
    event.preventDefault();
    onward();
  });
})();
