// Tools of a build's log: search, jumps between errors, times, folding, ids to copy.
(() => {
  const { page, log, lines, lineAt, numberOf, withNumbers, show, head, opening, onInsert, current } = window.studioLog;
  const form = document.getElementById("find");
  const input = document.getElementById("words");
  const summary = document.getElementById("hits");
  const announce = (text) => {
    document.getElementById("said").textContent = text;
  };
  const saved = (name) => {
    try {
      return localStorage.getItem(`studio:${name}`);
    } catch {
      return null; // storage can be switched off; a choice then holds for this page
    }
  };
  const save = (name, value) => {
    try {
      localStorage.setItem(`studio:${name}`, value);
    } catch {
      log.dataset.note = "not kept";
    }
  };
  const searched = async (query) => {
    try {
      const response = await fetch(`${page.dataset.search}?${query}`);
      return response.ok && !response.redirected ? await response.json() : null;
    } catch {
      return null; // the studio is unreachable
    }
  };

  // Search: the studio searches all lines, loaded or not.
  let matches = [];
  let count = 0;
  let wanted = "";
  let position = -1;
  const markMatches = () => {
    for (const line of log.querySelectorAll(".l.hit")) line.classList.remove("hit");
    for (const number of matches) lineAt(number)?.classList.add("hit");
  };
  onInsert((added) => {
    if (matches.length) markMatches();
    if (times.value !== "off") showTimes(added);
  });
  const showSummary = () => {
    if (!wanted) summary.textContent = "";
    else if (!matches.length) summary.textContent = summary.dataset.none;
    else {
      const number = count === 1 ? "one" : "many";
      const template = position < 0 ? summary.dataset[number] : summary.dataset[`${number}At`];
      summary.textContent = withNumbers(template, { count, at: position + 1 });
    }
  };
  const search = async () => {
    const text = input.value.trim();
    wanted = text;
    position = -1;
    const answer = text ? await searched(`q=${encodeURIComponent(text)}`) : { lines: [], count: 0 };
    if (wanted !== text) return; // something else was typed meanwhile
    if (!answer) wanted = ""; // so that Enter retries
    matches = answer?.lines ?? [];
    count = answer?.count ?? 0;
    markMatches();
    showSummary();
    if (!answer) summary.textContent = summary.dataset.failed;
  };
  const step = async (direction) => {
    if (input.value.trim() !== wanted || page.dataset.active === "yes") {
      const before = position;
      const same = input.value.trim() === wanted;
      await search();
      if (same) position = before;
    }
    if (!matches.length) return;
    position = (position + direction + matches.length) % matches.length;
    if (position < 0) position = matches.length - 1;
    showSummary();
    await show(matches[position]);
  };
  let typed = 0;
  input.addEventListener("input", () => {
    clearTimeout(typed);
    typed = setTimeout(search, 250);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    clearTimeout(typed);
    step(1);
  });
  document.getElementById("before").addEventListener("click", () => step(position < 0 ? 0 : -1));
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !event.shiftKey) return;
    event.preventDefault();
    step(position < 0 ? 0 : -1);
  });

  // Errors: the lines that report one, and the line that shows why the build failed.
  const errors = document.getElementById("errors");
  const errorAt = document.getElementById("error-at");
  let errorLines = null;
  const toError = async (choose) => {
    if (!errorLines || page.dataset.active === "yes") errorLines = await searched("errors");
    if (!errorLines) errorAt.textContent = errors.dataset.failed;
    else if (!errorLines.lines.length) errorAt.textContent = errors.dataset.none;
    else {
      const number = choose(errorLines.lines);
      errorAt.textContent = withNumbers(errors.dataset.at, { at: errorLines.lines.indexOf(number) + 1, count: errorLines.count });
      await show(number);
    }
  };
  const here = () => (current() ? numberOf(current()) : 0);
  // What explains the failure comes first; what came of it stands around it.
  document.getElementById("first-error").addEventListener("click", () =>
    toError((all) => (head().errorLine ? Number(head().errorLine) : all[0])),
  );
  document.getElementById("error-after").addEventListener("click", () => toError((all) => all.find((line) => line > here()) ?? all[0]));
  document.getElementById("error-before").addEventListener("click", () =>
    toError((all) => all.findLast((line) => line < here()) ?? all[all.length - 1]),
  );

  // Times: lines have the moment at which they were written; each reader chooses how it is shown.
  const times = document.getElementById("times");
  const two = (number) => String(number).padStart(2, "0");
  const clock = (at, utc) =>
    utc
      ? new Date(at).toISOString().slice(11, 23)
      : ((when) => `${two(when.getHours())}:${two(when.getMinutes())}:${two(when.getSeconds())}.${String(when.getMilliseconds()).padStart(3, "0")}`)(new Date(at));
  const elapsed = (at) => {
    const begin = head().started ? Date.parse(head().started) : Number(log.querySelector("[data-t]")?.dataset.t ?? at);
    const seconds = Math.max(0, at - begin) / 1000;
    const whole = Math.floor(seconds / 60);
    const rest = `${two(Math.floor(seconds % 60))}.${Math.floor((seconds % 1) * 10)}`;
    return whole < 60 ? `${whole}:${rest}` : `${Math.floor(whole / 60)}:${two(whole % 60)}:${rest}`;
  };
  const showTimes = (added) => {
    const known = new Map(); // lines written together have the same time
    const kind = times.value;
    for (const line of added) {
      const { t } = line.dataset;
      if (!t) continue;
      if (!known.has(t)) known.set(t, kind === "elapsed" ? elapsed(Number(t)) : clock(Number(t), kind === "utc"));
      line.dataset.time = known.get(t);
    }
  };
  const setTimes = (kind) => {
    times.value = kind;
    log.classList.toggle("times", kind !== "off");
    if (kind !== "off") showTimes(lines);
  };
  setTimes(["elapsed", "local", "utc"].includes(saved("times")) ? saved("times") : "off");
  times.addEventListener("change", () => {
    setTimes(times.value);
    save("times", times.value);
  });

  const wrap = document.getElementById("wrap");
  const setWrap = (on) => {
    log.classList.toggle("wrap", on);
    wrap.checked = on;
  };
  setWrap(saved("wrap") === "yes");
  wrap.addEventListener("change", () => {
    setWrap(wrap.checked);
    save("wrap", wrap.checked ? "yes" : "no");
  });

  // Folding: lines that are not loaded stay so.
  const fold = document.getElementById("fold");
  const groups = () => [...log.querySelectorAll(".log-group")];
  const showFold = () => {
    const all = groups();
    fold.hidden = !all.length;
    fold.textContent = all.some((group) => group.open) ? fold.dataset.fold : fold.dataset.unfold;
  };
  fold.addEventListener("click", () => {
    const all = groups();
    const open = !all.some((group) => group.open);
    for (const group of all) {
      if (group.open === open) continue;
      if (open) opening.add(group);
      group.open = open;
    }
    showFold();
  });
  log.addEventListener("toggle", showFold, true);
  onInsert(showFold);
  showFold();

  log.addEventListener("click", async (event) => {
    const id = event.target.closest("button.id");
    if (!id) return;
    const status = document.getElementById("said");
    try {
      await navigator.clipboard.writeText(id.dataset.id);
      id.classList.add("copied");
      setTimeout(() => id.classList.remove("copied"), 1500);
      announce(status.dataset.copied);
    } catch {
      announce(status.dataset.notCopied);
    }
  });
})();
