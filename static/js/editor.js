// The editor over the text of a definition: colours, findings beside their lines, names and versions that complete.
// The text area stays the form's field and holds the same text; where this script does not run, it is the editor.
(() => {
  const text = document.getElementById("id_text");
  if (!text) return;
  const cm = CodeMirror;
  const { asked, colours, guess, languages, ofFormat } = window.studioLanguages;
  const words = text.dataset;
  const nonce = document.currentScript.nonce;
  const review = document.getElementById("review");

  // Completion. The studio answers at once with what it knows; while it asks the index, we ask it again.
  const PAUSE = 300;
  const MOST_TRIES = 8;
  const wait = (time) => new Promise((done) => setTimeout(done, time));
  const answerTo = async (query, context) => {
    for (let tries = 0; tries < MOST_TRIES && !context.aborted; tries += 1) {
      const response = await fetch(`${words.complete}?${new URLSearchParams(query)}`, { headers: { Accept: "application/json" } });
      if (!response.ok) return [];
      const answer = await response.json();
      if (!answer.more || answer.options.length) return answer.options;
      await wait(PAUSE);
    }
    return [];
  };
  const complete = async (context) => {
    const place = asked(context.state, context.pos, language);
    if (!place || (!place.begun && !place.name && place.kind !== "base" && !context.explicit)) return null;
    const query = place.name ? { kind: place.kind, name: place.name } : { kind: place.kind, q: place.begun };
    let found;
    try {
      found = await answerTo(query, context);
    } catch {
      return null; // the network is away: there is nothing to offer, and typing goes on
    }
    const from = context.pos - place.begun.length;
    if (place.name) {
      // The newest comes first: the order is the answer's, not the alphabet's.
      const options = found.map((label, index) => ({ label, type: "constant", boost: 99 - index }));
      return { from, options, validFor: /^[\w.*+!]*$/ };
    }
    const options = found.map((label) => ({ label, type: "class" }));
    // A base may be meant by any part of its name, which the server has looked for.
    return place.kind === "base" ? { from, options, filter: false } : { from, options };
  };

  let language = guess(text.value);
  const spoken = new cm.Compartment();
  const keepText = cm.EditorView.updateListener.of((update) => {
    if (!update.docChanged) return;
    text.value = update.state.doc.toString();
    text.dispatchEvent(new Event("input", { bubbles: true }));
    if (!ofFormat[words.format]) speak(guess(text.value));
  });
  const speak = (wanted) => {
    if (wanted === language) return;
    language = wanted;
    view.dispatch({ effects: spoken.reconfigure(languages[wanted]) });
  };
  const onward = () => {
    document.dispatchEvent(new Event("studio:onward"));
    return true;
  };
  const input = cm.EditorView.domEventHandlers({
    // A dropped file is the form's to take; CodeMirror would put its text where the pointer is.
    drop: (event) => event.dataTransfer.files.length > 0,
    // Writing over a selection: the browser would carry the old text's colours on as inline styles, which are not allowed.
    // What is written over is what the page has selected: the editor's own selection may be a moment behind it.
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
  const phrases = cm.EditorState.phrases.of(JSON.parse(words.phrases || "{}"));

  const view = new cm.EditorView({
    doc: text.value,
    parent: text.parentElement,
    extensions: [
      cm.EditorView.cspNonce.of(nonce),
      cm.keymap.of([{ key: "Mod-Enter", run: onward }]),
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
      spoken.of(languages[language]),
      colours,
      phrases,
      input,
      keepText,
    ],
  });
  // Who has begun to write before this script ran writes on.
  const at = document.activeElement === text ? text.selectionEnd : null;
  text.hidden = true;
  if (at !== null) {
    view.focus();
    view.dispatch({ selection: { anchor: at } });
  }
  text.parentElement.classList.add("coloured");
  document.getElementById("definition-label").addEventListener("click", () => view.focus());
  document.getElementById("editor-keys").hidden = false;

  // The findings of the review, beside their lines.
  const SEVERITY = { error: "error", warning: "warning", note: "info" };
  let checked = view.state.doc;
  const mark = () => {
    if (!checked.eq(view.state.doc)) return; // the text has gone on, and is being looked at again
    const doc = view.state.doc;
    const found = [];
    for (const finding of review.querySelectorAll("[data-severity]")) {
      const number = Number(finding.dataset.line);
      if (!(number >= 1 && number <= doc.lines)) continue;
      const line = doc.line(number);
      const said = [...finding.querySelectorAll("[data-said]")].map((part) => part.textContent.trim());
      const start = Math.min(line.from + Math.max(Number(finding.dataset.column) - 1, 0), line.to);
      const blank = /^\s*/.exec(line.text)[0].length;
      found.push({ from: Math.max(start, Math.min(line.from + blank, line.to)), to: line.to, severity: SEVERITY[finding.dataset.severity], message: said.join(" ") });
    }
    view.dispatch(cm.setDiagnostics(view.state, found));
    const format = review.querySelector("[data-format]")?.dataset.format;
    words.format = format || "";
    if (format) speak(ofFormat[format] || guess(text.value));
  };
  document.body.addEventListener("htmx:beforeRequest", (event) => {
    if (event.detail.elt === review) checked = view.state.doc;
  });
  document.body.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target === review) mark();
  });
  mark();

  // What the form does with the text: replace all of it, or show a line.
  text.editor = {
    dom: view.dom,
    set(value) {
      words.format = "";
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
    replaced: () => view.state.selection.main.from === 0 && view.state.selection.main.to === view.state.doc.length,
  };
})();
