// Builds ../static from ./src: `npm ci && npm run build`. What is built is committed, with a digest of what it was built from.
import { build } from "esbuild";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, resolve } from "node:path";
import { gzipSync } from "node:zlib";

const OUT = "../static";
mkdirSync(OUT, { recursive: true });

// What form-js brings and a form in the inbox has another of, or later: see each file.
const OWN = { flatpickr: "later.js", "lodash/isEqual": "equal.js", "@lezer/highlight": "no-highlighting.js" };
// form-js' own sentences, and the names under which they stand in the inbox's words ([form-says]).
const SAID = [
  ["'Value is not a number.'", 'said("not-a-number")'],
  ["'Value is expected to ' + (decimalDigits === 0 ? 'be an integer' : `have at most ${decimalDigits} decimal digit${decimalDigits > 1 ? 's' : ''}`) + '.'", 'said(decimalDigits === 0 ? "whole" : "digits", { n: decimalDigits })'],
  ["`Please select a valid value, the two nearest valid values are ${previousValue} and ${nextValue}.`", 'said("step", { below: previousValue, above: nextValue })'],
  ["`Field must match pattern ${validation.pattern}.`", 'said("pattern", { pattern: validation.pattern })'],
  ["'Field is required.'", 'said("required")'],
  ["`Field must have minimum value of ${validation.min}.`", 'said("min", { n: validation.min })'],
  ["`Field must have maximum value of ${validation.max}.`", 'said("max", { n: validation.max })'],
  ["`Field must have minimum length of ${validation.minLength}.`", 'said("min-length", { n: validation.minLength })'],
  ["`Field must have maximum length of ${validation.maxLength}.`", 'said("max-length", { n: validation.maxLength })'],
  ["'Field must be a valid  international phone number. (e.g. +4930664040900)'", 'said("phone")'],
  ["'Field must be a valid email.'", 'said("email")'],
  ["'Date and time must both be entered.'", 'said("both")'],
  ["'No results'", 'said("no-results")'],
  ["'All values selected'", 'said("all-selected")'],
  ["valueLabel || 'Select'", 'valueLabel || said("select")'],
  ["'Search'", 'said("search")'],
  ['"Skip to search"', 'said("skip")'],
  ['"Remove tag"', 'said("remove")'],
  ['"Nothing to show."', 'said("nothing")'],
  ["'Nothing to show.'", 'said("nothing")'],
  ['"Browse"', 'said("browse")'],
  ["'No files selected'", 'said("no-files")'],
  ["`${files.length} files selected`", 'said("files", { n: files.length })'],
  ["'Add new'", 'said("add")'],
  ["'Collapse'", 'said("collapse")'],
  ["`Expand all (${values.length - 1})`", 'said("expand", { n: values.length - 1 })'],
  ["`Remove list item ${itemIndex + 1}`", 'said("remove-row", { n: itemIndex + 1 })'],
  ['"Previous page"', 'said("previous")'],
  ['"Next page"', 'said("next")'],
  ['"Increment"', 'said("more")'],
  ['"Decrement"', 'said("less")'],
  ["`Click to sort by ${label} descending`", 'said("sort-down", { label })'],
  ["'Click to remove sorting'", 'said("sort-not")'],
  ["`Click to sort by ${label} ascending`", 'said("sort-up", { label })'],
  ["`Download ${fileName}`", 'said("download", { name: fileName })'],
  ["'Unable to download document'", 'said("no-download")'],
  ["'Document reference is not defined.'", 'said("no-document")'],
];
const lean = {
  name: "lean",
  setup(building) {
    building.onResolve({ filter: /^(flatpickr|lodash\/isEqual|@lezer\/highlight)$/ }, ({ path, importer }) =>
      importer.includes("node_modules") ? { path: resolve("src", OWN[path]) } : undefined,
    );
    building.onLoad({ filter: /form-js-viewer\/dist\/index\.es\.js$/ }, ({ path }) => {
      let contents = readFileSync(path, "utf8");
      for (const [sentence, call] of SAID) {
        // A version of form-js that says it otherwise stops the build: nothing turns English without being noticed.
        if (!contents.includes(sentence)) throw new Error(`form-js no longer says ${sentence}`);
        contents = contents.replaceAll(sentence, call);
      }
      return { contents: `import { said } from ${JSON.stringify(resolve("src/form-words.js"))};\n${contents}`, loader: "js" };
    });
    building.onResolve({ filter: /^luxon$/ }, () => ({ path: resolve("node_modules/luxon/src/luxon.js") }));
    building.onResolve({ filter: /\/(tokenParser|interval)\.js$/ }, ({ importer }) =>
      importer.includes("luxon") ? { path: resolve("src/no-tokens.js") } : undefined,
    );
    building.onResolve({ filter: /^\.\/calendar\.js$/ }, ({ path }) => ({ path, external: true }));
  },
};
const usual = {
  outdir: OUT,
  bundle: true,
  minify: true,
  format: "esm",
  target: ["chrome123", "firefox120", "safari17.5"],
  legalComments: "none",
  metafile: true,
  logLevel: "warning",
};
const results = [
  await build({ ...usual, entryPoints: ["src/app.js", "src/diagram.js", "src/calendar.js"] }),
  await build({ ...usual, entryPoints: ["src/inbox.css", "src/form.css", "src/calendar.css", "src/diagram.css"] }),
  await build({ ...usual, entryPoints: ["src/form.js"], plugins: [lean] }),
];

// What is there stays until it is replaced: an inbox that runs meanwhile serves on.
const made = new Set(results.flatMap((result) => Object.keys(result.metafile.outputs).map((name) => basename(name))));
for (const name of readdirSync(OUT)) if (!made.has(name) && !["LICENSES.txt", "manifest.json"].includes(name)) rmSync(`${OUT}/${name}`);

const digest = (content) => createHash("sha256").update(content).digest("hex");
const sources = createHash("sha256");
const names = ["build.mjs", "package-lock.json", "package.json", ...readdirSync("src").map((name) => `src/${name}`)].sort();
for (const name of names) sources.update(`${name}\n${readFileSync(name, "utf8")}`);

const used = new Set();
for (const input of results.flatMap((result) => Object.keys(result.metafile.inputs))) {
  const found = input.match(/^node_modules\/((?:@[^/]+\/)?[^/]+)\//);
  if (found) used.add(found[1]);
}
const packages = [...used].sort().map((name) => {
  const about = JSON.parse(readFileSync(`node_modules/${name}/package.json`, "utf8"));
  return { name, version: about.version, licence: about.license ?? "see text" };
});
const texts = packages.map(({ name, version, licence }) => {
  const file = readdirSync(`node_modules/${name}`).find((one) => /^licen[cs]e/i.test(one));
  const text = file ? readFileSync(`node_modules/${name}/${file}`, "utf8").trim() : `Licence: ${licence} (the package carries no text of its own)`;
  return `${"=".repeat(100)}\n${name} ${version}\n${"=".repeat(100)}\n\n${text}\n`;
});
writeFileSync(`${OUT}/LICENSES.txt`, `Parts of other projects in these files, each under its own licence.\n\n${texts.join("\n")}`);
const files = Object.fromEntries(
  readdirSync(OUT).filter((name) => name !== "manifest.json").sort().map((name) => {
    const content = readFileSync(`${OUT}/${name}`);
    return [name, { sha256: digest(content), bytes: content.length, gzip: gzipSync(content, { level: 9 }).length }];
  }),
);
writeFileSync(`${OUT}/manifest.json`, `${JSON.stringify({ sources: sources.digest("hex"), packages, files }, null, 2)}\n`);
for (const [name, { bytes, gzip }] of Object.entries(files)) console.log(name.padEnd(16), bytes, gzip);
if (!existsSync(`${OUT}/app.js`)) process.exit(1);
