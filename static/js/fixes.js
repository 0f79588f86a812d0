// Fixes of findings: they change the editor's text in one step, so that one undo takes them back.
// Without this script the buttons send the form, and the page comes back with the changed text.
(() => {
  const form = document.getElementById("define");
  const review = document.getElementById("review");
  const text = document.getElementById("id_text");
  if (!form || !review || !text) return;

  const AGAIN = 1200; // until the studio is asked again for what it is looking up
  const overlaps = (one, other) =>
    (one.line < other.end_line || (one.line === other.end_line && one.column < other.end_column)) &&
    (other.line < one.end_line || (other.line === one.end_line && other.column < one.end_column));
  const same = (one, other) => one.line === other.line && one.column === other.column;

  const checkAgain = () => document.body.dispatchEvent(new Event("studio:check"));
  const reviewAgain = () => {
    const step = document.getElementById("step-review");
    if (step && !step.hidden) document.getElementById("to-review")?.click();
  };
  const editsOf = (buttons) => {
    const taken = [];
    for (const button of buttons) {
      const edits = JSON.parse(button.dataset.edits);
      if (!edits.some((edit) => taken.some((other) => overlaps(edit, other) || same(edit, other)))) taken.push(...edits);
    }
    return taken;
  };
  const apply = (event, buttons) => {
    if (!text.editor) return;
    event.preventDefault();
    // The findings are of the text that was checked last: if that has changed, wait for those of the new one.
    if (text.editor.unchecked()) checkAgain();
    else if (text.editor.apply(editsOf(buttons))) reviewAgain();
  };
  const ignore = async (event, button) => {
    event.preventDefault();
    const body = new URLSearchParams({ [button.name]: button.value, csrfmiddlewaretoken: form.elements.csrfmiddlewaretoken.value });
    const response = await fetch(button.dataset.ignore, { method: "POST", body, redirect: "manual" }).catch(() => null);
    if (!response) {
      document.dispatchEvent(new Event("studio:away"));
      return;
    }
    if (response.ok || response.type === "opaqueredirect") checkAgain();
    else form.requestSubmit(button);
    reviewAgain();
  };
  form.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button || event.defaultPrevented) return;
    if (button.hasAttribute("data-fix-all")) {
      apply(event, [...button.closest("[data-findings]").querySelectorAll("[data-safe][data-edits]")]);
      if (event.defaultPrevented) document.dispatchEvent(new CustomEvent("studio:toast", { detail: { text: button.dataset.done, level: "success" } }));
    } else if (button.dataset.edits) apply(event, [button]);
    else if (button.dataset.ignore) ignore(event, button);
  });

  // What the review is asked with: the line that is being written, and how often it has been asked for more.
  let tries = 0;
  let last = "";
  let open = [];
  text.addEventListener("input", () => {
    tries = 0;
  });
  document.body.addEventListener("htmx:configRequest", (event) => {
    if (event.detail.elt !== review) return;
    event.detail.parameters.typing = text.editor?.typing() || "";
    event.detail.parameters.tries = tries;
  });
  document.body.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.target !== review) return;
    open = [...review.querySelectorAll("details[open][id]")].map(({ id }) => id);
    // The same answer again is not read out again.
    if (event.detail.serverResponse === last) event.detail.shouldSwap = false;
    last = event.detail.serverResponse;
  });
  document.body.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target !== review) return;
    for (const id of open) review.querySelector(`#${id}`)?.setAttribute("open", "");
  });
  let timer;
  const waitForMore = () => {
    clearTimeout(timer);
    if (!document.getElementById("looking-up")) return;
    timer = setTimeout(() => {
      tries += 1;
      checkAgain();
    }, AGAIN);
  };
  document.body.addEventListener("htmx:afterRequest", (event) => {
    if (event.detail.elt === review) waitForMore();
  });
  waitForMore();
})();
