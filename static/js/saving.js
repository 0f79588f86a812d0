// Saving a form with a draft by a request of its own: the page stays as it is if that fails. For drafts.js.
(() => {
  const frame = document.getElementById("drafts");
  if (!frame) return;

  const isLogin = (url) => new URL(url, location.href).pathname === frame.dataset.login;
  const here = () => location.pathname + location.search;
  const pageOf = async (response) => new DOMParser().parseFromString(await response.text(), "text/html");
  // After a new login the forms of this page need its token. Returns the problem, if any.
  const refreshToken = async () => {
    const response = await fetch(here(), { headers: { Accept: "text/html" } });
    if (isLogin(response.url)) return "signedOut";
    const page = await pageOf(response);
    const user = page.getElementById("drafts")?.dataset.user;
    if (user && user !== frame.dataset.user) return "otherUser";
    const token = page.querySelector("[name=csrfmiddlewaretoken]");
    if (!response.ok || !token) return "refused";
    for (const field of document.querySelectorAll("[name=csrfmiddlewaretoken]")) field.value = token.value;
    return "";
  };
  const PROBLEMS = { 403: "refused", 404: "refused", 409: "conflict", 413: "tooLarge", 429: "tooMany" };
  const reasonIn = async (response) => {
    if (!response.headers.get("Content-Type")?.includes("text/html")) return "";
    const page = await pageOf(response);
    return page.querySelector("main .notice-error, main .field-error")?.textContent.replace(/\s+/g, " ").trim() || "";
  };
  const send = async (state, submitter, isFirst = true) => {
    const { form } = state;
    const body = new FormData(form);
    if (submitter?.name) body.append(submitter.name, submitter.value);
    const address = submitter?.getAttribute("formaction") || form.getAttribute("action") || here();
    const response = await fetch(address, { method: "POST", body, headers: { "X-Studio-Save": "1", Accept: "text/html" } });
    const location = response.headers.get("X-Studio-Location");
    if (location && isLogin(location)) return { problem: "signedOut" };
    if (location) return { location };
    if (response.status === 422 || response.ok) return { isShown: true };
    if (response.status === 403 && isFirst) {
      const problem = await refreshToken();
      return problem ? { problem } : send(state, submitter, false);
    }
    const problem = PROBLEMS[response.status] || (response.status < 500 ? "refused" : "failed");
    return { problem, data: { status: response.status, reference: response.headers.get("X-Request-ID") || "–" }, reason: problem === "conflict" || problem === "refused" ? await reasonIn(response) : "" };
  };
  const goTo = (address) => {
    const url = new URL(address, location.href);
    const isHere = url.pathname === location.pathname && url.search === location.search;
    if (isHere) {
      history.replaceState(null, "", url);
      location.reload();
    } else {
      location.assign(url);
    }
  };
  // The answer is a page, such as this form with what is wrong: have the browser show it.
  const submitPlainly = (state, submitter) => {
    if (submitter?.name) {
      const field = document.createElement("input");
      field.type = "hidden";
      field.name = submitter.name;
      field.value = submitter.value;
      state.form.append(field);
    }
    HTMLFormElement.prototype.submit.call(state.form);
  };
  const setBusy = (state, isBusy) => {
    state.saving = isBusy;
    state.form.setAttribute("aria-busy", String(isBusy));
    document.documentElement.toggleAttribute("data-waiting", isBusy);
  };
  const save = async (state, submitter, page, isAgain = false) => {
    if (state.saving) return;
    setBusy(state, true);
    page.keep(state);
    let result;
    try {
      const problem = isAgain ? await refreshToken() : "";
      result = problem ? { problem } : await send(state, submitter);
    } catch {
      result = { problem: "away" };
    }
    if (result.location) {
      page.forgetSaved(state);
      page.leave();
      goTo(result.location);
      return;
    }
    if (result.isShown) {
      page.leave();
      submitPlainly(state, submitter);
      return;
    }
    setBusy(state, false);
    const link = result.problem === "signedOut" ? `${frame.dataset.login}?next=${encodeURIComponent(here())}` : "";
    const text = [page.words(result.problem, result.data), result.reason].filter(Boolean).join(" ");
    page.showBar(state, { text, level: "error", link, buttons: { again: () => save(state, submitter, page, true) } });
    state.bar.querySelector("a, button").focus();
  };
  window.studioSaving = save;
})();
