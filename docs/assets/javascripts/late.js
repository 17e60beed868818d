/* The theme's script takes the thread for a while and gives a reader nothing to read, so all
   scripts start after the page is painted. The theme would also load half a megabyte to search
   in; that waits until someone turns to the search. */
(() => {
  const { open, send } = XMLHttpRequest.prototype;
  const waiting = [];
  let wanted = /[?&][hq]=/.test(location.search);
  function want() {
    wanted = true;
    for (const request of waiting.splice(0)) send.call(request);
  }
  XMLHttpRequest.prototype.open = function (method, url, ...rest) {
    this.index = String(url).endsWith("search/search_index.json");
    open.call(this, method, url, ...rest);
  };
  XMLHttpRequest.prototype.send = function (body) {
    if (this.index && !wanted) waiting.push(this);
    else send.call(this, body);
  };
  for (const event of ["pointerover", "pointerdown", "focusin"]) {
    document.addEventListener(event, ({ target }) => {
      if (target.closest?.(".md-search, [for=__search]")) want();
    });
  }
  document.addEventListener("keydown", want);

  /* The theme writes each address in the page out in full, to compare heads of pages later.
     From a new address, though it is the same, the browser reads the style sheet again and
     lays out the whole page a second time. So the sheet says that its address is written out,
     and keeps the one it has. */
  function keep(sheet) {
    const { href } = sheet;
    const full = sheet.cloneNode();
    full.href = href;
    const { outerHTML } = full;
    Object.defineProperties(sheet, {
      href: { get: () => href, set() {} },
      outerHTML: { get: () => outerHTML },
    });
  }

  function start() {
    let real;
    document.head.querySelectorAll("link[rel=stylesheet]").forEach(keep);
    for (const script of document.querySelectorAll("script[type=late]")) {
      real = document.createElement("script");
      real.async = false;
      real.src = script.src;
      script.replaceWith(real);
    }
    // For this event the theme's script waits, in a task of its own.
    real.onload = () => document.dispatchEvent(new Event("DOMContentLoaded"));
  }
  document.addEventListener("DOMContentLoaded", () => {
    if (document.hidden) start();
    else requestAnimationFrame(() => setTimeout(start));
  }, { once: true });
})();
