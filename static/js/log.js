// The lines of a build's log on its page: groups that fold, lines that are not loaded yet, links to a line.
// The log consists of groups (<details>), lines and gaps; a gap has the lines data-from to data-to, which are loaded
// on demand. At most MOST lines are in the page: those far from what is read become gaps again.
(() => {
  const page = document.getElementById("build");
  const log = document.getElementById("log");
  const state = document.getElementById("state");
  const steps = document.getElementById("steps");
  const follow = document.getElementById("follow");
  const logStatus = document.getElementById("log-state");
  const model = document.getElementById("log-group").content.firstElementChild;
  const parts = page.querySelector(".build-parts");
  const AT_ONCE = 5000;
  const AROUND = 500;
  const MOST = Number(log.dataset.most);
  const labels = new Map([...document.querySelectorAll("#step-labels dt")].map((key) => [key.textContent, key.nextElementSibling.textContent]));
  const lines = log.getElementsByClassName("l"); // it is live
  const listeners = [];

  // Insert numbers into a text, formatted for the page's language.
  const withNumbers = (template, numbers) =>
    Object.entries(numbers).reduce(
      (text, [name, number]) => text.replace(`{${name}}`, number.toLocaleString(document.documentElement.lang)),
      template,
    );

  const lineAt = (number) => document.getElementById(`L${number}`);
  const numberOf = (line) => Number(line.id.slice(1));
  const gaps = () => [...log.querySelectorAll(".log-gap")];
  const groupOf = (element) => element.closest(".log-group");
  const isLine = (element) => Boolean(element?.classList.contains("l"));
  const stopFollowing = () => {
    if (follow) follow.checked = false;
  };
  const inserted = (added) => {
    for (const listener of listeners) listener(added);
  };

  // A gap between two lines, or below one, continues the lines above it.
  const continues = (gap) => isLine(gap.previousElementSibling) || !isLine(gap.nextElementSibling);
  const rangeOf = (gap) => [Number(gap.dataset.from), Number(gap.dataset.to)];
  const label = (gap) => {
    const [from, to] = rangeOf(gap);
    const all = to - from + 1;
    const count = Math.min(AT_ONCE, all);
    const names = continues(gap) && groupOf(gap) ? ["later", "laterOf"] : ["earlier", "earlierOf"];
    gap.firstElementChild.textContent = withNumbers(log.dataset[names[count === all ? 0 : 1]], { count, all });
  };
  const gapOf = (from, to) => {
    const gap = document.createElement("div");
    gap.className = "log-gap";
    gap.dataset.from = from;
    gap.dataset.to = to;
    const link = document.createElement("a");
    link.href = "?all";
    gap.append(link);
    return gap;
  };

  // Lines as they come from the studio; a mark stands where another step begins.
  const parsed = (html) => {
    const template = document.createElement("template");
    template.innerHTML = html;
    return [...template.content.children];
  };

  // Turn lines into gaps.
  const unload = (dropped) => {
    const touched = new Set();
    for (const line of dropped) {
      const number = numberOf(line);
      const before = line.previousElementSibling;
      if (before?.classList.contains("log-gap") && Number(before.dataset.to) === number - 1) {
        before.dataset.to = number;
        touched.add(before);
      } else {
        const gap = gapOf(number, number);
        line.before(gap);
        touched.add(gap);
      }
      line.remove();
    }
    for (const gap of touched) {
      const next = gap.nextElementSibling;
      if (next?.classList.contains("log-gap") && Number(next.dataset.from) === Number(gap.dataset.to) + 1) {
        gap.dataset.to = next.dataset.to;
        next.remove();
      }
      label(gap);
    }
  };
  const bound = (keep) => {
    const surplus = lines.length - MOST;
    if (surplus <= 0) return;
    const count = surplus + MOST / 4;
    const all = [...lines];
    // The end of a log that grows stays.
    const atStart = page.dataset.active === "yes" || all.indexOf(keep) > all.length / 2;
    unload(atStart ? all.slice(0, count) : all.slice(-count));
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
    const step = groupOf(gap)?.dataset.step ?? "";
    const added = parsed(await answer.text()).filter((node) => isLine(node) || node.dataset.step !== step);
    for (const node of added) if (!isLine(node)) node.textContent = labels.get(node.dataset.step) || node.dataset.step;
    const [first, last] = rangeOf(gap);
    if (from > first) {
      const before = gapOf(first, from - 1);
      gap.before(before);
      gap.before(...added);
      label(before);
    } else gap.before(...added);
    if (to < last) {
      gap.dataset.from = to + 1;
      label(gap);
    } else gap.remove();
    inserted(added.filter(isLine));
    if (added.length) bound(added.find(isLine));
    return true;
  };

  log.addEventListener("click", async (event) => {
    const gap = event.target.closest(".log-gap");
    if (!gap) return;
    event.preventDefault();
    stopFollowing();
    const [from, to] = rangeOf(gap);
    if (continues(gap) && groupOf(gap)) {
      await load(gap, from, Math.min(to, from + AT_ONCE - 1));
      return;
    }
    // Keep the visible lines where they are while lines are inserted above them.
    const below = log.scrollHeight - log.scrollTop;
    if (await load(gap, Math.max(from, to - AT_ONCE + 1), to)) {
      log.scrollTop = log.scrollHeight - below;
      log.focus({ preventScroll: true });
    }
  });
  // A group that is opened shows its first lines.
  const opening = new WeakSet(); // groups that are opened for another reason
  log.addEventListener(
    "toggle",
    (event) => {
      const group = event.target;
      if (opening.delete(group) || !group.open || group.querySelector(":scope > .l")) return;
      const gap = group.querySelector(":scope > .log-gap");
      if (!gap) return;
      const [from, to] = rangeOf(gap);
      load(gap, from, Math.min(to, from + AT_ONCE - 1));
    },
    true,
  );
  const openGroup = (group) => {
    if (!group || group.open) return;
    opening.add(group);
    group.open = true;
  };

  // Append what the build has written since.
  let end = log.lastElementChild?.matches(".log-group") ? log.lastElementChild : log;
  const begin = (step) => {
    if (!step) end = log;
    else if (end.dataset.step !== step || end === log) {
      end = model.cloneNode(true);
      end.dataset.step = step;
      end.querySelector(".log-group-name").textContent = labels.get(step) || step;
      log.append(end);
      syncGroups();
    }
  };
  const append = (html) => {
    const added = [];
    let batch = [];
    for (const node of parsed(html)) {
      if (isLine(node)) {
        batch.push(node);
        added.push(node);
        continue;
      }
      end.append(...batch);
      batch = [];
      begin(node.dataset.step);
    }
    end.append(...batch);
    inserted(added);
    if (follow?.checked) bound(null);
  };

  // The heads of the groups show what the list of steps shows.
  const syncGroups = () => {
    for (const step of steps.querySelectorAll("[data-step]")) {
      const group = [...log.querySelectorAll(`.log-group[data-step="${CSS.escape(step.dataset.step)}"]`)].pop();
      if (!group) continue;
      group.dataset.state = step.dataset.state;
      group.querySelector(".log-group-end").innerHTML = step.querySelector(".step-end").innerHTML;
    }
  };

  const head = () => state.querySelector("[data-title]").dataset;
  // The line that shows why the build failed leads to the line of the definition.
  const linkToDefinition = () => {
    const { errorLine, definitionLine } = head();
    const line = errorLine && lineAt(errorLine);
    if (!line) return;
    line.classList.add("bad");
    const cause = definitionLine && document.getElementById(`D${definitionLine}`);
    if (!cause || line.querySelector(".to-source")) return;
    cause.classList.add("bad");
    const link = document.createElement("a");
    link.className = "to-source";
    link.href = `#D${definitionLine}`;
    link.textContent = withNumbers(log.dataset.inDefinition, { line: Number(definitionLine) });
    line.lastElementChild.append(" ", link);
  };
  listeners.push(linkToDefinition);
  page.addEventListener("build:state", linkToDefinition);

  // The log ends at the lower edge of the window, so that its newest lines are in sight.
  const LEAST = 280;
  const fit = () => {
    for (const box of [log, document.getElementById("source")]) {
      if (!box) continue;
      const room = innerHeight - (box.getBoundingClientRect().top + scrollY) - 16;
      box.style.maxHeight = room >= LEAST ? `${room}px` : "";
    }
  };
  window.addEventListener("resize", fit);
  page.addEventListener("build:state", fit);

  // Scroll the log so that a line is in the part of it that is on the screen.
  const reveal = (line, movePage) => {
    const box = log.getBoundingClientRect();
    const room = Math.min(box.bottom, innerHeight) - Math.max(box.top, 0);
    if (movePage && (room < 160 || box.top < 0)) log.scrollIntoView({ block: room < 160 ? "center" : "nearest" });
    const seen = log.getBoundingClientRect();
    const [top, bottom] = [Math.max(seen.top, 0), Math.min(seen.bottom, innerHeight)];
    const wanted = top + Math.max(40, (bottom - top) / 3);
    log.scrollTop += line.getBoundingClientRect().top - wanted;
    const below = line.getBoundingClientRect().bottom - innerHeight;
    if (below > 0 && innerWidth >= 768) scrollBy(0, below + 40);
  };

  let current = null;
  const mark = (line) => {
    current?.classList.remove("at");
    current = line;
    line?.classList.add("at");
    const step = line && groupOf(line)?.dataset.step;
    for (const row of steps.querySelectorAll("[data-step]")) row.toggleAttribute("data-current", row.dataset.step === step);
  };
  const fetchLine = async (number) => {
    if (lineAt(number)) return lineAt(number);
    const gap = gaps().find((each) => Number(each.dataset.from) <= number && number <= Number(each.dataset.to));
    if (!gap) return null;
    const [from, to] = rangeOf(gap);
    await load(gap, Math.max(from, number - AROUND), Math.min(to, number + AROUND));
    return lineAt(number);
  };
  const show = async (number, { movePage = true } = {}) => {
    const line = await fetchLine(number);
    if (!line) return;
    stopFollowing();
    openGroup(groupOf(line));
    mark(line);
    view("log");
    reveal(line, movePage);
  };

  // The log and the definition: beside each other on wide pages, else one at a time.
  const tabs = [...page.querySelectorAll("[data-view]")];
  const view = (name) => {
    parts.dataset.show = name;
    for (const tab of tabs) tab.setAttribute("aria-pressed", String(tab.dataset.view === name));
    fit();
  };
  for (const tab of tabs) tab.addEventListener("click", () => view(tab.dataset.view));

  let marked = null;
  const toHash = () => {
    const [, kind, digits] = /^#([LD])(\d+)$/.exec(location.hash) || [];
    marked?.classList.remove("at");
    if (kind === "L") show(Number(digits));
    else mark(null);
    if (kind !== "D") return;
    marked = document.getElementById(`D${digits}`);
    if (!marked) return;
    view("definition");
    marked.classList.add("at");
    marked.scrollIntoView({ block: "nearest" });
  };
  window.addEventListener("hashchange", toHash);
  // A second click on the same line changes no hash.
  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#L"], a[href^="#D"]');
    if (link && link.getAttribute("href") === location.hash) toHash();
  });

  for (const gap of gaps()) label(gap);
  linkToDefinition();
  page.addEventListener("log:first", toHash);
  window.studioLog = { page, log, lines, lineAt, numberOf, withNumbers, append, syncGroups, show, head, opening, onInsert: (listener) => listeners.push(listener), current: () => current, stopFollowing };

  for (const part of page.querySelectorAll(".js-only")) part.hidden = false;
  fit();
  if (location.hash) toHash();
  else if (page.dataset.active !== "yes") {
    const { errorLine } = head();
    if (errorLine) show(Number(errorLine), { movePage: false });
    else if (state.querySelector(".failure")) {
      openGroup([...log.querySelectorAll(".log-group")].pop()); // where it ended
      log.scrollTop = log.scrollHeight;
    }
  }
})();
