// The build log on its page: lines that are not loaded yet, links to a line, search.
// The log is lines and gaps; a gap stands for the lines from data-from to data-to and is loaded when asked for.
(() => {
  const page = document.getElementById("build");
  const log = document.getElementById("log");
  const form = document.getElementById("find");
  const words = document.getElementById("words");
  const hits = document.getElementById("hits");
  const follow = document.getElementById("follow");
  const said = document.getElementById("log-state");
  const AT_ONCE = 5000;
  const AROUND = 500;

  // The page's words with numbers put in, written as its language writes them.
  const filled = (words, numbers) =>
    Object.entries(numbers).reduce(
      (text, [name, number]) => text.replace(`{${name}}`, number.toLocaleString(document.documentElement.lang)),
      words,
    );

  const lineAt = (number) => document.getElementById(`L${number}`);
  const gaps = () => [...log.querySelectorAll(".log-gap")];

  const label = (gap) => {
    const from = Number(gap.dataset.from);
    const to = Number(gap.dataset.to);
    const count = Math.min(AT_ONCE, to - from + 1);
    const all = to - from + 1;
    gap.firstElementChild.textContent = filled(count === all ? log.dataset.earlier : log.dataset.earlierOf, { count, all });
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

  // Load a run of lines out of a gap; what is left of it on either side stays a gap.
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
      said.textContent = said.dataset.notLoaded;
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
    mark();
    return true;
  };

  log.addEventListener("click", async (event) => {
    const gap = event.target.closest(".log-gap");
    if (!gap) return;
    event.preventDefault();
    follow.checked = false;
    const to = Number(gap.dataset.to);
    // What the reader sees stays where it is, while lines come in above it.
    const below = log.scrollHeight - log.scrollTop;
    if (await load(gap, Math.max(Number(gap.dataset.from), to - AT_ONCE + 1), to)) {
      log.scrollTop = log.scrollHeight - below;
      log.focus({ preventScroll: true });
    }
  });

  let at = null;
  const show = async (number) => {
    if (!lineAt(number)) {
      const gap = gaps().find((one) => Number(one.dataset.from) <= number && number <= Number(one.dataset.to));
      if (!gap) return;
      const from = Math.max(Number(gap.dataset.from), number - AROUND);
      await load(gap, from, Math.min(Number(gap.dataset.to), number + AROUND));
    }
    const line = lineAt(number);
    if (!line) return;
    follow.checked = false;
    at?.classList.remove("at");
    at = line;
    line.classList.add("at");
    line.scrollIntoView({ block: "center" });
  };
  const toHash = () => {
    const found = /^#L(\d+)$/.exec(location.hash);
    if (found) show(Number(found[1]));
    else at?.classList.remove("at");
  };
  window.addEventListener("hashchange", toHash);
  // The same line asked for again changes no address.
  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#L"]');
    if (link && link.getAttribute("href") === location.hash) toHash();
  });

  // Search: the server looks through all lines, loaded or not.
  let found = [];
  let count = 0;
  let asked = "";
  let place = -1;
  const mark = () => {
    for (const line of log.querySelectorAll(".l.hit")) line.classList.remove("hit");
    for (const number of found) lineAt(number)?.classList.add("hit");
  };
  const tell = () => {
    if (!asked) hits.textContent = "";
    else if (!found.length) hits.textContent = hits.dataset.none;
    else {
      const one = count === 1 ? "one" : "many";
      const words = place < 0 ? hits.dataset[one] : hits.dataset[`${one}At`];
      hits.textContent = filled(words, { count, at: place + 1 });
    }
  };
  const look = async () => {
    const wanted = words.value.trim();
    asked = wanted;
    place = -1;
    let answer = { lines: [], count: 0 };
    if (wanted) {
      try {
        const response = await fetch(`${page.dataset.search}?q=${encodeURIComponent(wanted)}`);
        answer = response.ok && !response.redirected ? await response.json() : null;
      } catch {
        answer = null; // the studio is away
      }
    }
    if (asked !== wanted) return; // something else was typed meanwhile
    if (!answer) {
      asked = ""; // so that Enter asks again
      found = [];
      mark();
      hits.textContent = hits.dataset.failed;
      return;
    }
    found = answer.lines;
    count = answer.count;
    mark();
    tell();
  };
  const step = async (by) => {
    if (words.value.trim() !== asked || page.dataset.active === "yes") {
      const before = place;
      const same = words.value.trim() === asked;
      await look();
      if (same) place = before;
    }
    if (!found.length) return;
    place = (place + by + found.length) % found.length;
    if (place < 0) place = found.length - 1;
    tell();
    await show(found[place]);
  };
  let typed = 0;
  words.addEventListener("input", () => {
    clearTimeout(typed);
    typed = setTimeout(look, 250);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    clearTimeout(typed);
    step(1);
  });
  document.getElementById("before").addEventListener("click", () => step(place < 0 ? 0 : -1));
  words.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !event.shiftKey) return;
    event.preventDefault();
    step(place < 0 ? 0 : -1);
  });

  for (const gap of gaps()) label(gap);
  page.addEventListener("log:first", toHash);
  if (location.hash) toHash();
})();
