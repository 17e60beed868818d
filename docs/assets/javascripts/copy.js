/* What a copy button gives runs alone. A block of a page that needs earlier blocks is copied
   with them: data-needs holds their numbers (executor/needs.py). One that reads files is copied
   with lines that fetch them: data-fetch holds their paths, and an element of the page the
   lines (executor/offers.py). A block of one page that
   another shows has what is copied in an element before it (executor/sample.py), source code
   in the reference has it in data-copy (executor/reference.py). Material copies data-copy of
   the block around its button, where there is one. */
(() => {
  const BUTTON = "button[data-md-type=copy]";
  const MORE = ":is([data-copy], .cell[data-needs], .cell[data-fetch])";
  let copied = null;

  /** Returns the code of a block, without the marks of notes that Material puts into it. */
  function source(block) {
    const code = block.querySelector("pre > code").cloneNode(true);
    for (const mark of code.querySelectorAll(".md-annotation, nav")) mark.remove();
    return code.textContent.trimEnd();
  }

  /** Returns the words of an attribute, which may be missing. */
  const list = (text) => text?.split(" ") ?? [];

  /** Returns the lines that fetch what a block reads, if it reads anything. */
  function fetching(block) {
    const names = list(block.dataset.fetch);
    if (!names.length) return [];
    const lines = document.querySelector(".fetch-source").dataset.text;
    return [lines.replace("…names…", names.map((name) => JSON.stringify(name)).join(", "))];
  }

  /** Says of a block in few words what is copied along with it. */
  function along(block) {
    if (block.dataset.copied) return block.dataset.copied;
    const count = list(block.dataset.needs).length;
    const parts = [];
    if (count) parts.push(count === 1 ? "1 earlier block" : `${count} earlier blocks`);
    if (block.dataset.fetch) parts.push("lines that fetch its files");
    return parts.join(" and ");
  }

  /** Takes what is copied with a block from the element before it, where there is one. */
  function take() {
    for (const { dataset, nextElementSibling: block } of document.querySelectorAll(".copy-source")) {
      Object.assign(block.dataset, { copy: dataset.text, copied: dataset.copied });
    }
  }

  /** Joins a block with those that it needs. */
  function join(block) {
    const needed = list(block.dataset.needs);
    const parts = needed.map((number) => document.getElementById(`block-${number}`));
    block.dataset.copy = [...fetching(block), ...[...parts, block].map(source)].join("\n\n");
  }

  /** Names the buttons that copy more than their block; Material adds them bit by bit. */
  function name() {
    for (const button of document.querySelectorAll(`${MORE} ${BUTTON}:not([aria-label])`)) {
      const label = `Copy with what it needs (${along(button.closest(MORE))})`;
      button.title = label;
      button.setAttribute("aria-label", label);
    }
    // Where Material says that something was copied.
    const dialog = document.querySelector("[data-md-component=dialog]:not([role])");
    dialog?.setAttribute("role", "status");
  }

  document.addEventListener("click", (event) => {
    copied = event.target.closest?.(`${MORE} ${BUTTON}`)?.closest(MORE);
    // Not before: it takes a while on long pages, and Material reads it right after this.
    if (copied && !("copy" in copied.dataset)) join(copied);
  }, true);

  document$.subscribe(() => {
    take();
    name();
  });
  alert$.subscribe(() => {
    const block = copied;
    copied = null;
    if (block) queueMicrotask(() => alert$.next(`Copied with ${along(block)}`));
  });
  new MutationObserver(name).observe(document.body, { childList: true, subtree: true });
})();
