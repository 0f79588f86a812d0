// The editor of a definition: highlighting, findings at their lines, completion of names and versions.
// The text area remains the form's field, in sync; without this script it is the editor.
(() => {
  const text = document.getElementById("id_text");
  if (!text) return;
  const cm = CodeMirror;
  const { completionAt, highlighting, guess, languages, ofFormat } = window.studioLanguages;
  const settings = text.dataset;
  const nonce = document.currentScript.nonce;
  const review = document.getElementById("review");

  // Completion: the studio returns what it knows at once; while it queries the index, poll it.
  const PAUSE = 300;
  const MAX_TRIES = 8;
  const wait = (time) => new Promise((done) => setTimeout(done, time));
  const fetchOptions = async (query, context) => {
    for (let tries = 0; tries < MAX_TRIES && !context.aborted; tries += 1) {
      const response = await fetch(`${settings.complete}?${new URLSearchParams(query)}`, { headers: { Accept: "application/json" } });
      if (!response.ok) return [];
      const answer = await response.json();
      if (!answer.more || answer.options.length) return answer.options;
      await wait(PAUSE);
    }
    return [];
  };
  const complete = async (context) => {
    const completionContext = completionAt(context.state, context.pos, language);
    if (!completionContext || (!completionContext.prefix && !completionContext.name && completionContext.kind !== "base" && !context.explicit)) return null;
    const query = completionContext.name ? { kind: completionContext.kind, name: completionContext.name } : { kind: completionContext.kind, q: completionContext.prefix };
    let matches;
    try {
      matches = await fetchOptions(query, context);
    } catch {
      return null; // offline: offer nothing
    }
    const from = context.pos - completionContext.prefix.length;
    if (completionContext.name) {
      // Keep the response's order, newest first, instead of alphabetical order.
      const options = matches.map((label, index) => ({ label, type: "constant", boost: 99 - index }));
      return { from, options, validFor: /^[\w.*+!]*$/ };
    }
    const options = matches.map((label) => ({ label, type: "class" }));
    // The server matched any part of a base's name: do not filter by prefix.
    return completionContext.kind === "base" ? { from, options, filter: false } : { from, options };
  };

  let language = settings.language || guess(text.value); // some fields have a language of their own
  const languageCompartment = new cm.Compartment();
  // A half-written line is no error: its findings wait until the cursor leaves it.
  let typingLine = 0;
  const lineAt = (state) => state.doc.lineAt(state.selection.main.head).number;
  const leaveLine = () => {
    if (!typingLine) return;
    typingLine = 0;
    document.body.dispatchEvent(new Event("studio:check"));
  };
  const isTyped = (transaction) => transaction.isUserEvent("input.type") || transaction.isUserEvent("delete");
  const syncText = cm.EditorView.updateListener.of((update) => {
    if (!update.docChanged) {
      if (update.selectionSet && lineAt(update.state) !== typingLine) leaveLine();
      return;
    }
    typingLine = update.transactions.some(isTyped) ? lineAt(update.state) : 0;
    text.value = update.state.doc.toString();
    text.dispatchEvent(new Event("input", { bubbles: true }));
    if (!ofFormat[settings.format]) setLanguage(guess(text.value));
  });
  const setLanguage = (wanted) => {
    if (wanted === language || settings.language) return;
    language = wanted;
    view.dispatch({ effects: languageCompartment.reconfigure(languages[wanted]) });
  };
  const toReview = () => {
    document.dispatchEvent(new Event("studio:onward"));
    return true;
  };
  const input = cm.EditorView.domEventHandlers({
    // The form handles dropped files; CodeMirror would insert their text at the pointer.
    drop: (event) => event.dataTransfer.files.length > 0,
    blur: leaveLine,
    // Typing over a selection: the browser would keep the old text's colours as inline styles, which the CSP forbids.
    // Replace the page's selection: the editor's own may lag behind it.
    beforeinput: (event, editor) => {
      const selected = getSelection();
      if (event.inputType !== "insertText" || event.data === null || event.isComposing || selected.isCollapsed) return false;
      const range = selected.getRangeAt(0);
      const from = editor.posAtDOM(range.startContainer, range.startOffset);
      const to = editor.posAtDOM(range.endContainer, range.endOffset);
      const insert = editor.state.toText(event.data);
      event.preventDefault();
      editor.dispatch({
        changes: { from, to, insert },
        selection: { anchor: from + insert.length },
        userEvent: "input.type",
        scrollIntoView: true,
      });
      return true;
    },
  });
  const phrases = cm.EditorState.phrases.of(JSON.parse(settings.phrases || "{}"));

  const view = new cm.EditorView({
    doc: text.value,
    parent: text.parentElement,
    extensions: [
      cm.EditorView.cspNonce.of(nonce),
      cm.keymap.of([{ key: "Mod-Enter", run: toReview }]),
      cm.lineNumbers(),
      cm.lintGutter(),
      cm.history(),
      cm.highlightActiveLine(),
      cm.highlightActiveLineGutter(),
      cm.search({ top: true }),
      cm.autocompletion({ override: [complete], icons: false }),
      cm.keymap.of([
        ...cm.completionKeymap,
        ...cm.lintKeymap,
        ...cm.searchKeymap,
        ...cm.historyKeymap,
        { key: "Tab", run: cm.indentMore, shift: cm.indentLess },
        ...cm.defaultKeymap,
      ]),
      cm.placeholder(text.placeholder),
      cm.EditorState.tabSize.of(4),
      cm.EditorView.contentAttributes.of({
        "aria-labelledby": "definition-label",
        "aria-describedby": "editor-keys",
        spellcheck: "false",
      }),
      languageCompartment.of(languages[language]),
      highlighting,
      phrases,
      input,
      syncText,
    ],
  });
  // Keep the caret of a user who typed before this script ran.
  const at = document.activeElement === text ? text.selectionEnd : null;
  text.hidden = true;
  if (at !== null) {
    view.focus();
    view.dispatch({ selection: { anchor: at } });
  }
  text.parentElement.classList.add("coloured");
  document.getElementById("definition-label").addEventListener("click", () => view.focus());
  document.getElementById("editor-keys").hidden = false;

  // Show the findings of the review at their lines.
  const SEVERITY = { error: "error", warning: "warning", note: "info" };
  let checked = view.state.doc;
  const showFindings = () => {
    if (!checked.eq(view.state.doc)) return; // the text has changed since, and is being reviewed again
    const doc = view.state.doc;
    const matches = [];
    for (const finding of review.querySelectorAll("[data-severity]")) {
      const number = Number(finding.dataset.line);
      if (!(number >= 1 && number <= doc.lines)) continue;
      const line = doc.line(number);
      const messages = [...finding.querySelectorAll("[data-message]")].map((part) => part.textContent.trim().replace(/\s+/g, " "));
      const button = finding.querySelector("[data-edits]");
      const actions = button ? [{ name: button.textContent.trim(), apply: () => button.click() }] : [];
      const start = Math.min(line.from + Math.max(Number(finding.dataset.column) - 1, 0), line.to);
      const blank = /^\s*/.exec(line.text)[0].length;
      matches.push({ from: Math.max(start, Math.min(line.from + blank, line.to)), to: line.to, severity: SEVERITY[finding.dataset.severity], message: messages.join(" "), actions });
    }
    view.dispatch(cm.setDiagnostics(view.state, matches));
    const format = review.querySelector("[data-format]")?.dataset.format;
    settings.format = format || "";
    // A lock is read with its manifest, which is the text that is shown.
    const known = format?.endsWith("-lock") ? "" : ofFormat[format];
    if (format) setLanguage(known || guess(text.value));
  };
  document.body.addEventListener("htmx:beforeRequest", (event) => {
    if (event.detail.elt === review) checked = view.state.doc;
  });
  document.body.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target === review) showFindings();
  });
  showFindings();

  // For the form: replace the text, or show a line.
  text.editor = {
    dom: view.dom,
    set(value) {
      settings.format = "";
      view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: value } });
    },
    show(number) {
      const line = view.state.doc.line(Math.min(Math.max(number, 1), view.state.doc.lines));
      view.dispatch({
        selection: { anchor: line.from, head: line.to },
        effects: cm.EditorView.scrollIntoView(line.from, { y: "center" }),
      });
      view.focus();
    },
    typing: () => (view.hasFocus ? typingLine : 0),
    unchecked: () => !checked.eq(view.state.doc),
    // Edits count lines and columns from 1, and columns in whole characters.
    apply(edits) {
      const doc = view.state.doc;
      const position = (line, column) => {
        if (line > doc.lines) return doc.length;
        const { from, to, text: content } = doc.line(line);
        return Math.min(from + [...content].slice(0, column - 1).join("").length, to);
      };
      const changes = edits.map((edit) => ({ from: position(edit.line, edit.column), to: position(edit.end_line, edit.end_column), insert: edit.text.replaceAll("\r\n", "\n") }));
      if (!changes.length) return false;
      view.dispatch({ changes, userEvent: "fix", scrollIntoView: true });
      view.focus();
      return true;
    },
    replaced: () => view.state.selection.main.from === 0 && view.state.selection.main.to === view.state.doc.length,
  };
})();
