// The form of a definition: reading files into the text, jumping to a finding's line, the review step.
// It works on the plain text area, or through `text.editor` if the editor runs.
(() => {
  const form = document.getElementById("define");
  if (!form) return;
  const text = document.getElementById("id_text");
  const file = document.getElementById("id_file");
  const filename = document.getElementById("id_filename");
  const dropped = document.getElementById("dropped");
  const beside = document.getElementById("beside");
  // Of several files, the one that a person edits.
  const MAIN = /^((pixi|pyproject)\.toml|Pipfile|(environment|conda)\.ya?ml|requirements\.txt|Dockerfile)$/;
  const MOST_FILES = 100; // of a request
  const LARGEST_TEXTS = 4 * 1024 * 1024; // all together, in a form of up to 5 MB
  const ARCHIVE = /\.(zip|tar|tgz|tar\.(gz|bz2|xz))$/i;

  const setText = (value) => {
    if (text.editor) text.editor.set(value);
    else text.value = value;
  };
  const showStatus = (template, name, more = "") => {
    dropped.textContent = template.replace("{file}", () => name).replace("{more}", () => more);
  };

  // The files beside the text, which it is read together with.
  const besideName = (row) => row.querySelector("input").value;
  const besideRows = () => (beside ? [...beside.querySelectorAll("div")] : []);
  const forgetBeside = () => {
    for (const row of besideRows()) row.remove();
    if (beside) beside.hidden = true;
  };
  const putBeside = (name, value) => {
    besideRows().find((row) => besideName(row) === name)?.remove();
    const row = beside.querySelector("template").content.cloneNode(true);
    row.querySelector("input").value = name;
    row.querySelector("span").textContent = name;
    row.querySelector("textarea").name = `beside:${name}`;
    row.querySelector("textarea").value = value;
    beside.append(row);
    beside.hidden = false;
  };
  const forgetChoice = () => document.getElementById("choice")?.replaceChildren();

  // Text files are put into the form, to be edited: one into the text, the others beside it.
  const isLock = (name) => /\.lock$/i.test(name);
  const belongsBeside = (name) => {
    if (!filename.value || name === filename.value) return false;
    return besideRows().some((row) => besideName(row) === name) || (isLock(name) && !isLock(filename.value));
  };
  const takeTexts = (files) => {
    const [only] = files;
    if (files.length === 1 && belongsBeside(only.name)) {
      putBeside(only.name, only.value);
    } else {
      if (files.length > 1 || only.name !== filename.value) {
        forgetBeside();
        forgetChoice();
      }
      const shown = files.find(({ name }) => MAIN.test(name)) || files.find(({ name }) => !isLock(name)) || only;
      setText(shown.value);
      filename.value = shown.name;
      for (const other of files) if (other !== shown) putBeside(other.name, other.value);
    }
    showStatus(dropped.dataset.taken, filename.value);
  };
  // Other files are uploaded as they are: archives, large ones, and what is no text.
  const sendFiles = (files) => {
    const transfer = new DataTransfer();
    for (const one of files) transfer.items.add(one);
    file.files = transfer.files;
    filename.value = "";
    forgetBeside();
    forgetChoice();
    showStatus(files.length > 1 ? dropped.dataset.several : dropped.dataset.sent, files.map(({ name }) => name).join(", "));
  };
  const takeFiles = async (files) => {
    if (files.length > MOST_FILES) {
      file.value = "";
      showStatus(dropped.dataset.many, files.length);
      return;
    }
    const names = new Set(files.map(({ name }) => name));
    const size = files.reduce((sum, one) => sum + one.size, 0);
    let texts = null;
    if (text && names.size === files.length && size <= LARGEST_TEXTS && !files.some(({ name }) => ARCHIVE.test(name))) {
      texts = await Promise.all(files.map(async (one) => ({ name: one.name, value: await one.text() })));
    }
    if (texts && !texts.some(({ value }) => value.includes("\0"))) {
      file.value = "";
      takeTexts(texts);
    } else {
      sendFiles(files);
    }
    document.body.dispatchEvent(new Event("studio:file"));
  };
  // A folder of texts is read like its files; any other is uploaded as an archive.
  let latest = null;
  const takeFolder = async (entries) => {
    const own = (latest = entries);
    const { mostFiles, mostBytes } = dropped.dataset;
    showStatus(dropped.dataset.reading, entries[0].name);
    try {
      const folder = await window.studioFolders.read(entries, { files: Number(mostFiles), bytes: Number(mostBytes) });
      if (own !== latest) return; // another drop has followed
      if (text && folder.files && folder.files.length <= MOST_FILES) {
        await takeFiles(folder.files);
        return;
      }
      sendFiles([folder.tar]);
      showStatus(folder.without.length ? dropped.dataset.without : dropped.dataset.sent, folder.name, folder.without.join(", "));
      document.body.dispatchEvent(new Event("studio:file"));
    } catch ({ reason, largest }) {
      if (own === latest) showStatus(dropped.dataset[reason], entries[0].name, largest);
    }
  };
  if (file) {
    file.addEventListener("change", (event) => {
      if (!file.files.length) return;
      event.stopImmediatePropagation();
      latest = null;
      takeFiles([...file.files]);
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
      const entries = window.studioFolders.entriesOf(event.dataTransfer);
      latest = null;
      if (entries) takeFolder(entries);
      else takeFiles([...event.dataTransfer.files]);
    });
  }

  // The file name determines the format; a text that was replaced as a whole has no file name.
  const isReplaced = () => (text.editor ? text.editor.replaced() : text.selectionStart === 0 && text.selectionEnd === text.value.length);
  const forgetFilename = () => {
    if (!filename || !isReplaced() || besideRows().length) return;
    filename.value = "";
    forgetChoice();
  };
  if (text) {
    text.parentElement.addEventListener("paste", forgetFilename, { capture: true });
    text.addEventListener("input", () => {
      // What is written counts, and no longer the files that were to be sent.
      if (file?.files.length && text.value.trim()) {
        file.value = "";
        dropped.textContent = "";
      }
      if (text.value.trim() || !filename.value || besideRows().length) return;
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
    const name = document.getElementById("review-name");
    (name || reviewing.querySelector("h2"))?.focus();
    name?.select();
  });
  // Saved or reloaded, the page shows the definition: its address says so.
  if (reviewing?.hidden && location.hash === "#review") history.replaceState(null, "", location.pathname + location.search);

  // A name that an environment has: the ways to save are those of its next version.
  const ways = { build: "build-next", save: "next" };
  const nameWays = () => {
    const note = document.querySelector("#name-note [name=next_of]");
    for (const button of defining.querySelectorAll("[data-way]")) {
      const { way, label } = button.dataset;
      button.value = note ? ways[way] : way;
      button.querySelector("span").textContent = note ? note.dataset[way] : label;
    }
  };
  document.body.addEventListener("htmx:oobAfterSwap", nameWays);
  // The name of the review step is the form's.
  form.addEventListener("input", (event) => {
    const name = document.getElementById("id_name");
    if (event.target.id === "review-name" && name) name.value = event.target.value;
    if (event.target.id === "id_name" && document.getElementById("review-name")) document.getElementById("review-name").value = event.target.value;
  });

  // The files beside the text that a draft has.
  form.addEventListener("studio:draft", (event) => {
    const paths = event.detail.fields.get("beside") || [];
    if (!beside) return;
    for (const path of paths) {
      const [value] = event.detail.fields.get(`beside:${path}`) || [];
      if (value !== undefined && !besideRows().some((row) => besideName(row) === path)) putBeside(path, value);
    }
  });

  // Other base images: typing chooses them, and those in use complete.
  const otherBase = document.getElementById("base-other-reference");
  let sent = null;
  otherBase?.addEventListener("input", async () => {
    const choice = document.getElementById("base-other");
    choice.checked = true;
    const part = otherBase.value.trim();
    if (part === sent) return;
    sent = part;
    try {
      const response = await fetch(`${otherBase.dataset.complete}?${new URLSearchParams({ kind: "base", q: part })}`, { headers: { Accept: "application/json" } });
      const { options } = await response.json();
      if (sent !== part) return;
      otherBase.list.replaceChildren(...options.map((value) => Object.assign(document.createElement("option"), { value })));
    } catch {
      otherBase.list.replaceChildren(); // offline: offer nothing
    }
  });
  document.getElementById("base-other")?.addEventListener("change", () => otherBase.focus());
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

  form.addEventListener("submit", () => {
    for (const menu of form.querySelectorAll("details.menu[open]")) menu.open = false;
  });

  // Ctrl+Enter opens the review, and does nothing there: saving needs a look at it.
  const toReview = () => {
    const button = document.getElementById("to-review");
    if (button && (!defining.hidden || !reviewing)) button.click();
  };
  document.addEventListener("studio:onward", toReview);
  form.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.defaultPrevented) return;
    const isField = event.target.matches("input:not([type=checkbox], [type=radio], [type=file])");
    if (!isField && !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    if (event.target.id === "review-name") reviewing.querySelector("[data-way=build]")?.click();
    else toReview();
  });
})();
