/* Folded code (executor/folds.py): a button opens and closes the lines below it, another one
   those of the page. A search in the page, which finds folded lines too, opens them. */
(() => {
  function set(fold, open) {
    if (open) fold.removeAttribute("hidden");
    else fold.setAttribute("hidden", "until-found");
    fold.previousElementSibling.setAttribute("aria-expanded", open);
  }

  document.addEventListener("click", ({ target }) => {
    const button = target.closest?.(".unfold, .unfold-all");
    if (!button) return;
    if (button.matches(".unfold")) {
      const fold = button.nextElementSibling;
      set(fold, fold.hasAttribute("hidden"));
      return;
    }
    const open = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", open);
    for (const fold of document.querySelectorAll(".fold")) set(fold, open);
  });

  document.addEventListener("beforematch", ({ target }) => {
    if (target.matches(".fold")) set(target, true);
  });
  // What the browser opened before this script came, for an address with a text.
  for (const fold of document.querySelectorAll(".fold:not([hidden])")) set(fold, true);
})();
/* Terms of the glossary on a touch screen: the first tap shows the meaning, the second one
   follows the link. Mouse and keyboard need nothing of this. */
(() => {
  let shown = null;
  let touched = false;

  document.addEventListener("pointerdown", (event) => {
    touched = event.pointerType !== "mouse";
  }, true);

  document.addEventListener("click", (event) => {
    const term = event.target.closest?.("a.term") ?? null;
    if (term && touched && term !== shown) {
      event.preventDefault();
      event.stopPropagation(); // before Material loads the page
      term.focus();
    }
    shown = term;
  }, true);
})();
