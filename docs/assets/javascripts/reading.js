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
