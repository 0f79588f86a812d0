// Drafts: a <form data-draft="KEY"> keeps its unsaved fields in this browser, for the user who typed them. It offers them again
// (Restore, Discard), warns before they would be lost, and saves without leaving the page (saving.js).
// Never kept: files, passwords, tokens, secrets. data-draft-version and data-draft-latest name what the form started from;
// data-draft-also the drafts that go with this one; data-draft-keep keeps a hidden field; data-draft-never keeps none inside.
(() => {
  const frame = document.getElementById("drafts");
  if (!frame) return;
  const { store, fields } = window.studioDrafts;
  const { values, defaultValues, fieldsOf, setValues, filesOf, equal, covers, startOf, startedAlike } = fields;
  const SIGNED_OUT = `studio:signed-out:${frame.dataset.user}`;
  const PAUSE = 500;
  const STAYED = 10_000; // a sign-out that takes longer was cancelled
  const lang = document.documentElement.lang;
  const locale = navigator.languages.find((language) => language.toLowerCase().startsWith(lang.slice(0, 2))) || lang;
  const states = new Map(); // form → state
  let leaving = false;
  let signingOut = 0; // when

  // The bar above the form.
  const time = (at) => {
    const when = new Date(at);
    const today = when.toDateString() === new Date().toDateString();
    const shown = today ? { hour: "2-digit", minute: "2-digit" } : { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" };
    return new Intl.DateTimeFormat(locale, shown).format(when);
  };
  const words = (name, data = {}) => Object.entries(data).reduce((text, [key, value]) => text.replace(`{${key}}`, () => value), frame.dataset[name]);
  const closeBar = (state) => {
    state.bar?.remove();
    state.bar = null;
  };
  const showBar = (state, { text, level = "info", buttons = [], link = "" }) => {
    closeBar(state);
    const bar = frame.content.firstElementChild.cloneNode(true);
    bar.classList.add(`notice-${level}`);
    for (const icon of bar.querySelectorAll("[data-icon]")) if (icon.dataset.icon !== level) icon.remove();
    const signIn = bar.querySelector("a");
    if (link) signIn.href = link;
    else signIn.remove();
    for (const button of bar.querySelectorAll("button")) {
      const act = buttons[button.dataset.act];
      if (act) button.addEventListener("click", act);
      else button.remove();
    }
    bar.setAttribute("role", level === "error" ? "alert" : "status");
    state.form.before(bar);
    bar.querySelector("p").textContent = text; // after it is shown, so that screen readers announce it
    state.bar = bar;
    if (level === "error") bar.scrollIntoView({ block: "nearest" });
  };
  const about = (state, draft) => {
    const sentences = [];
    const { draftVersion: version, draftLatest: latest } = state.form.dataset;
    const known = { time: time(draft.at), version: draft.version || "", latest: latest || "" };
    if (latest && draft.latest && draft.latest !== latest) sentences.push(words("newer", known));
    else if (draft.version && version && draft.version !== version) sentences.push(words("other", known));
    else if (!startedAlike(draft.start || {}, state.start)) sentences.push(words("changed", known));
    else sentences.push(words("draft", known));
    if (draft.files?.length) sentences.push(words("files", { files: draft.files.join(", ") }));
    return sentences.join(" ");
  };

  // Keeping
  const current = (state) => new Map([...state.pending, ...fieldsOf(state.form, values)]);
  const isUnsaved = (state) => {
    if (state.saved || !document.contains(state.form)) return false;
    return state.unsaved || filesOf(state.form).length > 0 || !equal(current(state), state.initial);
  };
  const isSignedOut = () => signingOut > 0 || store.read("localStorage", SIGNED_OUT) !== null;
  const forget = (state) => {
    store.remove(store.nameOf(state.id, state.key));
    store.setOfThisTab(store.ofThisTab().filter((id) => id !== state.id));
  };
  const keep = (state) => {
    state.waiting = false;
    if (state.saved || isSignedOut() || !document.contains(state.form)) return;
    if (!isUnsaved(state)) {
      forget(state);
      return;
    }
    const { form } = state;
    const draft = { at: Date.now(), version: form.dataset.draftVersion, latest: form.dataset.draftLatest, start: state.start, files: filesOf(form), fields: [...current(state)] };
    state.stored = store.put(store.nameOf(state.id, state.key), JSON.stringify(draft));
    if (state.stored) store.setOfThisTab([...store.ofThisTab().filter((id) => id !== state.id), state.id]);
    else if (!state.bar) showBar(state, { text: words("notKept"), level: "warning" });
  };
  const idle = window.requestIdleCallback ? (run) => requestIdleCallback(run, { timeout: 1000 }) : (run) => setTimeout(run);
  const keepSoon = (state) => {
    state.saved = false;
    if (state.bar?.classList.contains("notice-error")) closeBar(state);
    if (state.waiting) return;
    state.waiting = true;
    setTimeout(() => idle(() => state.waiting && keep(state)), PAUSE);
  };
  const keepAll = () => {
    for (const state of states.values()) if (state.waiting) keep(state);
  };

  // Restoring
  const fill = (state, fields) => {
    // Scripts that make fields for what is in a draft do so now.
    state.form.dispatchEvent(new CustomEvent("studio:draft", { bubbles: true, detail: { fields } }));
    setValues(state.form, fields);
    const shown = fieldsOf(state.form, values);
    state.pending = new Map([...fields].filter(([name]) => !shown.has(name)));
    // Fields whose events changed others, such as a text that determines a file's name.
    setValues(state.form, new Map([...fields].filter(([name]) => shown.has(name))));
  };
  const restore = (state, draft, isQuiet) => {
    if (isUnsaved(state)) keep(state); // what it replaces stays a draft of its own
    else forget(state);
    state.id = store.newId();
    fill(state, draft.fields);
    store.remove(draft.name);
    keep(state);
    const text = [words("restored", { time: time(draft.at) })];
    if (draft.files?.length) text.push(words("files", { files: draft.files.join(", ") }));
    const discardIt = () => {
      fill(state, state.initial);
      state.unsaved = false;
      forget(state);
      closeBar(state);
      offer(state);
    };
    if (!isQuiet && offer(state)) return;
    showBar(state, { text: text.join(" "), buttons: { discard: discardIt } });
  };
  const offer = (state) => {
    const [draft] = store.drafts(state.key).filter(({ id }) => id !== state.id);
    if (!draft) return false;
    const discard = () => {
      store.remove(draft.name);
      closeBar(state);
      offer(state);
      state.form.querySelector("input:not([type=hidden]), textarea, select")?.focus();
    };
    showBar(state, { text: about(state, draft), buttons: { restore: () => restore(state, draft), discard } });
    return true;
  };

  const forgetSaved = (state) => {
    const fields = current(state);
    state.saved = true;
    state.waiting = false;
    forget(state);
    for (const draft of store.drafts(state.key)) if (equal(draft.fields, fields)) store.remove(draft.name);
    // Forms that led to this one have done their part.
    for (const key of (state.form.dataset.draftAlso || "").split(" ").filter(Boolean)) {
      for (const draft of store.drafts(key)) store.remove(draft.name);
    }
  };
  const leave = () => {
    leaving = true;
  };

  const isByScript = (form) => form.matches("[hx-post], [hx-put]");
  const start = (form) => {
    if (states.has(form)) return;
    const state = { form, key: form.dataset.draft, id: store.newId(), initial: fieldsOf(form, defaultValues), start: startOf(form), pending: new Map(), bar: null, stored: true };
    states.set(form, state);
    for (const kind of ["input", "change"]) form.addEventListener(kind, () => keepSoon(state));
    if (form.method === "post" && !isByScript(form)) {
      form.addEventListener("submit", (event) => {
        if (event.defaultPrevented || event.submitter?.hasAttribute("formnovalidate")) return;
        event.preventDefault();
        window.studioSaving(state, event.submitter, { keep, forgetSaved, showBar, words, leave });
      });
    }
    const shown = fieldsOf(form, values);
    const isUntouched = equal(shown, state.initial);
    const own = store.ofThisTab();
    const shownAgain = store.drafts(state.key).find((draft) => own.includes(draft.id) && covers(draft.fields, shown));
    if (shownAgain) {
      // The page shows it, with what is wrong: it is not saved yet.
      state.id = shownAgain.id;
      state.pending = new Map([...shownAgain.fields].filter(([name]) => !shown.has(name)));
      state.unsaved = true;
      return;
    }
    for (const draft of store.drafts(state.key)) if (equal(draft.fields, shown)) store.remove(draft.name);
    const [newest] = store.drafts(state.key);
    const isExpected = newest && own.includes(newest.id) && startedAlike(newest.start || {}, state.start) && newest.latest === form.dataset.draftLatest;
    if (isExpected && isUntouched) restore(state, newest, true);
    else offer(state);
    if (!isUntouched) keepSoon(state);
  };
  const startAll = () => {
    for (const form of states.keys()) if (!document.contains(form)) states.delete(form);
    for (const form of document.querySelectorAll("form[data-draft]")) start(form);
  };

  // Forms that come and go within a page
  document.addEventListener("htmx:afterSwap", () => {
    startAll();
    for (const state of states.values()) {
      if (!state.pending.size || !document.contains(state.form)) continue;
      const shown = fieldsOf(state.form, values);
      const ready = new Map([...state.pending].filter(([name]) => shown.has(name)));
      if (!ready.size) continue;
      state.pending = new Map([...state.pending].filter(([name]) => !shown.has(name)));
      setValues(state.form, ready);
    }
  });
  const sent = new WeakMap(); // request → state of the form that it sends
  document.addEventListener("htmx:beforeRequest", (event) => {
    const state = states.get(event.detail.elt);
    if (!state) return;
    keep(state);
    sent.set(event.detail.xhr, state);
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    const state = sent.get(event.detail.xhr);
    if (!state || !event.detail.successful || new URL(event.detail.xhr.responseURL, location.href).pathname === frame.dataset.login) return;
    // Shown again, it is not saved yet.
    if (![...document.querySelectorAll("form[data-draft]")].some((form) => form.dataset.draft === state.key)) forgetSaved(state);
  });

  // Signing out removes the drafts; a user who then decides to stay keeps them.
  const signOut = () => {
    signingOut = Date.now();
    store.write("localStorage", SIGNED_OUT, String(signingOut));
    store.removeAll();
  };
  const stay = () => {
    signingOut = 0;
    store.remove(SIGNED_OUT);
    for (const state of states.values()) keep(state);
  };

  // Leaving: within the studio drafts are offered again; reloading and closing are warned of.
  const leaveFor = () => {
    leaving = [...states.values()].every((state) => !isUnsaved(state) || (state.stored && !filesOf(state.form).length));
    setTimeout(() => (leaving = false), 1000);
  };
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href]");
    if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey || link.target || link.origin !== location.origin) return;
    if (link.pathname === location.pathname && link.search === location.search && link.hash) return;
    keepAll();
    // After “Cancel” the text is offered, and not restored by itself.
    if ("draftCancel" in link.dataset) {
      const ids = new Set([...states.values()].map((state) => state.id));
      store.setOfThisTab(store.ofThisTab().filter((id) => !ids.has(id)));
    }
    leaveFor();
  });
  document.addEventListener("submit", (event) => {
    if (event.target.getAttribute("action") === frame.dataset.logout) {
      signOut();
    } else if (!event.defaultPrevented) {
      keepAll();
      leaveFor();
    }
  });
  window.addEventListener("beforeunload", (event) => {
    if (leaving || ![...states.values()].some((state) => isUnsaved(state))) return;
    keepAll();
    event.preventDefault();
    if (signingOut) setTimeout(stay, STAYED);
  });
  window.addEventListener("pagehide", () => (signingOut ? signOut() : keepAll()));
  document.addEventListener("visibilitychange", () => document.hidden && keepAll());
  window.addEventListener("pageshow", () => {
    leaving = false;
    for (const state of states.values()) state.saving = false;
  });

  store.remove(SIGNED_OUT); // this page was served to its user
  store.removeOld();
  // After htmx is ready, so that what a restored field triggers happens.
  if (document.readyState === "complete") startAll();
  else document.addEventListener("DOMContentLoaded", startAll);
})();
