/* Sorts tables in .costs by a click on a header. Without this script they are plain tables. */
(() => {
  const value = (row, column) => {
    const cell = row.cells[column];
    const bar = cell.querySelector(".bar");
    const text = bar ? bar.style.getPropertyValue("--share") : cell.textContent;
    const number = parseFloat(text.replace(/,/g, ""));
    return Number.isNaN(number) ? text.trim().toLowerCase() : number;
  };
  const sort = (table, column, header) => {
    const falling = header.getAttribute("aria-sort") === "descending";
    const rows = [...table.tBodies[0].rows];
    rows.sort((a, b) => {
      const [x, y] = [value(a, column), value(b, column)];
      const order = x < y ? -1 : x > y ? 1 : 0;
      return falling ? order : -order;
    });
    table.tBodies[0].append(...rows);
    table.querySelectorAll("th[aria-sort]").forEach((other) => other.removeAttribute("aria-sort"));
    header.setAttribute("aria-sort", falling ? "ascending" : "descending");
  };
  const prepare = () => {
    document.querySelectorAll(".costs table:not([data-sorts])").forEach((table) => {
      table.dataset.sorts = "";
      [...table.tHead.rows[0].cells].forEach((header, column) => {
        const button = document.createElement("button");
        button.type = "button";
        button.textContent = header.textContent;
        header.replaceChildren(button);
        button.addEventListener("click", () => sort(table, column, header));
      });
    });
  };
  window.document$ ? window.document$.subscribe(prepare) : prepare();
})();
