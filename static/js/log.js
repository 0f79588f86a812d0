// The build log on its page: lines that are not loaded yet, links to a line, search.
// The log consists of lines and gaps; a gap has the lines data-from to data-to, which are loaded on demand.
(() => {
  const page = document.getElementById("build");
  const log = document.getElementById("log");
  const form = document.getElementById("find");
  const input = document.getElementById("words");
  const summary = document.getElementById("hits");
  const follow = document.getElementById("follow");
  const logStatus = document.getElementById("log-state");
  const AT_ONCE = 5000;
  const AROUND = 500;

  // Insert numbers into a text, formatted for the page's language.
  const withNumbers = (template, numbers) =>
    Object.entries(numbers).reduce(
      (text, [name, number]) => text.replace(`{${name}}`, number.toLocaleString(document.documentElement.lang)),
      template,
    );

  const lineAt = (number) => document.getElementById(`L${number}`);
  const gaps = () => [...log.querySelectorAll(".log-gap")];

  const label = (gap) => {
    const from = Number(gap.dataset.from);
    const to = Number(gap.dataset.to);
    const count = Math.min(AT_ONCE, to - from + 1);
    const all = to - from + 1;
    gap.firstElementChild.textContent = withNumbers(count === all ? log.dataset.earlier : log.dataset.earlierOf, { count, all });
  };
  const gapOf = (from, to) => {
    const gap = document.createElement("div");
    gap.className = "log-gap";
    gap.dataset.from = from;
    gap.dataset.to = to;
    const link = document.createElement("a");
    link.href = "?all";
    gap.append(link);
    label(gap);
    return gap;
  };

  // Load a range of lines from a gap; the rest on either side stays a gap.
  const load = async (gap, from, to) => {
    if (gap.dataset.loading) return false;
    gap.dataset.loading = "yes";
    let answer;
    try {
      answer = await fetch(`${page.dataset.lines}?from=${from}&to=${to}`);
    } catch {
      answer = null;
    }
    delete gap.dataset.loading;
    if (!answer?.ok || answer.redirected) {
      logStatus.textContent = logStatus.dataset.notLoaded;
      return false;
    }
    const html = await answer.text();
    const after = gap.nextElementSibling;
    if (to === Number(gap.dataset.to) && after?.dataset.step === answer.headers.get("X-Log-Step")) after.remove();
    gap.insertAdjacentHTML("beforebegin", html);
    if (from > Number(gap.dataset.from)) {
      const first = lineAt(from);
      const above = first.previousElementSibling?.classList.contains("log-step") ? first.previousElementSibling : first;
      above.before(gapOf(Number(gap.dataset.from), from - 1));
    }
    if (to < Number(gap.dataset.to)) {
      gap.dataset.from = to + 1;
      label(gap);
    } else gap.remove();
    markMatches();
    return true;
  };

  log.addEventListener("click", async (event) => {
    const gap = event.target.closest(".log-gap");
    if (!gap) return;
    event.preventDefault();
    follow.checked = false;
    const to = Number(gap.dataset.to);
    // Keep the visible lines in place while lines are inserted above them.
    const below = log.scrollHeight - log.scrollTop;
    if (await load(gap, Math.max(Number(gap.dataset.from), to - AT_ONCE + 1), to)) {
      log.scrollTop = log.scrollHeight - below;
      log.focus({ preventScroll: true });
    }
  });

  let current = null;
  const show = async (number) => {
    if (!lineAt(number)) {
      const gap = gaps().find((gap) => Number(gap.dataset.from) <= number && number <= Number(gap.dataset.to));
      if (!gap) return;
      const from = Math.max(Number(gap.dataset.from), number - AROUND);
      await load(gap, from, Math.min(Number(gap.dataset.to), number + AROUND));
    }
    const line = lineAt(number);
    if (!line) return;
    follow.checked = false;
    current?.classList.remove("at");
    current = line;
    line.classList.add("at");
    line.scrollIntoView({ block: "center" });
  };
  const toHash = () => {
    const matches = /^#L(\d+)$/.exec(location.hash);
    if (matches) show(Number(matches[1]));
    else current?.classList.remove("at");
  };
  window.addEventListener("hashchange", toHash);
  // A second click on the same line changes no hash.
  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#L"]');
    if (link && link.getAttribute("href") === location.hash) toHash();
  });

  // Search: the server searches all lines, loaded or not.
  let matches = [];
  let count = 0;
  let searched = "";
  let position = -1;
  const markMatches = () => {
    for (const line of log.querySelectorAll(".l.hit")) line.classList.remove("hit");
    for (const number of matches) lineAt(number)?.classList.add("hit");
  };
  const showSummary = () => {
    if (!searched) summary.textContent = "";
    else if (!matches.length) summary.textContent = summary.dataset.none;
    else {
      const number = count === 1 ? "one" : "many";
      const template = position < 0 ? summary.dataset[number] : summary.dataset[`${number}At`];
      summary.textContent = withNumbers(template, { count, at: position + 1 });
    }
  };
  const search = async () => {
    const wanted = input.value.trim();
    searched = wanted;
    position = -1;
    let answer = { lines: [], count: 0 };
    if (wanted) {
      try {
        const response = await fetch(`${page.dataset.search}?q=${encodeURIComponent(wanted)}`);
        answer = response.ok && !response.redirected ? await response.json() : null;
      } catch {
        answer = null; // the studio is unreachable
      }
    }
    if (searched !== wanted) return; // something else was typed meanwhile
    if (!answer) {
      searched = ""; // so that Enter retries
      matches = [];
      markMatches();
      summary.textContent = summary.dataset.failed;
      return;
    }
    matches = answer.lines;
    count = answer.count;
    markMatches();
    showSummary();
  };
  const step = async (direction) => {
    if (input.value.trim() !== searched || page.dataset.active === "yes") {
      const before = position;
      const same = input.value.trim() === searched;
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

  for (const gap of gaps()) label(gap);
  page.addEventListener("log:first", toHash);
  if (location.hash) toHash();
})();
