// The form of a definition: reading files into the text, jumping to a finding's line, the review step.
// It works on the plain text area, or through `text.editor` if the editor runs.
(() => {
  const form = document.getElementById("define");
  if (!form) return;
  const text = document.getElementById("id_text");
  const file = document.getElementById("id_file");
  const filename = document.getElementById("id_filename");
  const dropped = document.getElementById("dropped");
  const LARGEST_TEXT = 1024 * 1024;
  const ARCHIVE = /\.(zip|tar|tgz|tar\.(gz|bz2|xz))$/i;

  const setText = (value) => {
    if (text.editor) text.editor.set(value);
    else text.value = value;
  };
  const showStatus = (template, name) => {
    dropped.textContent = template.replace("{file}", () => name);
  };

  // A text file is put into the text, to be edited; other files are uploaded unchanged.
  const takeFile = async (chosen) => {
    if (!text || ARCHIVE.test(chosen.name) || chosen.size > LARGEST_TEXT) {
      const transfer = new DataTransfer();
      transfer.items.add(chosen);
      file.files = transfer.files;
      filename.value = "";
      showStatus(dropped.dataset.sent, chosen.name);
    } else {
      setText(await chosen.text());
      file.value = "";
      filename.value = chosen.name;
      showStatus(dropped.dataset.taken, chosen.name);
    }
    document.body.dispatchEvent(new Event("studio:file"));
  };
  if (file) {
    file.addEventListener("change", (event) => {
      if (!file.files.length) return;
      event.stopImmediatePropagation();
      takeFile(file.files[0]);
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
      takeFile(event.dataTransfer.files[0]);
    });
  }

  // The file name determines the format; a text that was replaced as a whole has no file name.
  const isReplaced = () => (text.editor ? text.editor.replaced() : text.selectionStart === 0 && text.selectionEnd === text.value.length);
  const forgetFilename = () => {
    if (filename && isReplaced()) filename.value = "";
  };
  if (text) {
    text.parentElement.addEventListener("paste", forgetFilename, { capture: true });
    text.addEventListener("input", () => {
      if (text.value.trim() || !filename.value) return;
      filename.value = "";
      dropped.textContent = "";
    });
  }

  const showLine = (line) => {
    if (text.editor) {
      text.editor.show(line);
      return;
    }
    const lines = text.value.split("\n");
    const start = lines.slice(0, line - 1).reduce((sum, text) => sum + text.length + 1, 0);
    text.focus();
    text.setSelectionRange(start, start + (lines[line - 1] || "").length);
    text.scrollTop = Math.max(0, (line - 5) * (text.scrollHeight / Math.max(lines.length, 1)));
  };

  // Both steps are in one form, so that the chosen file and all input are kept.
  const defining = document.getElementById("step-define");
  const reviewing = document.getElementById("step-review");
  const showStep = (reviewed) => {
    defining.hidden = reviewed;
    reviewing.hidden = !reviewed;
    for (const mark of document.querySelectorAll("[data-step]")) {
      if ((mark.dataset.step === "review") === reviewed) mark.setAttribute("aria-current", "step");
      else mark.removeAttribute("aria-current");
    }
    window.scrollTo(0, 0);
  };
  const backToDefinition = () => {
    if (!reviewing || reviewing.hidden) return;
    showStep(false);
    if (location.hash === "#review") history.back();
  };
  document.body.addEventListener("htmx:afterSwap", (event) => {
    if (!reviewing || event.detail.target !== reviewing) return;
    showStep(true);
    if (location.hash !== "#review") history.pushState(null, "", "#review");
    reviewing.querySelector("h2")?.focus();
  });
  window.addEventListener("popstate", () => {
    if (reviewing && location.hash !== "#review" && !reviewing.hidden) showStep(false);
  });

  form.addEventListener("click", (event) => {
    const line = event.target.closest("[data-line] a, a[data-line]");
    if (line && text) {
      event.preventDefault();
      backToDefinition();
      showLine(Number(line.closest("[data-line]").dataset.line));
      return;
    }
    if (event.target.closest("[data-back]") && text) {
      event.preventDefault();
      backToDefinition();
      form.querySelector(event.target.closest("[data-back]").dataset.back || "[role=textbox]")?.focus();
    }
  });

  // Ctrl+Enter opens the review, and does nothing there: saving needs a look at it.
  const toReview = () => {
    const button = document.getElementById("to-review");
    if (button && !defining.hidden) button.click();
  };
  document.addEventListener("studio:onward", toReview);
  form.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || event.defaultPrevented) return;
    event.preventDefault();
    toReview();
  });
})();
