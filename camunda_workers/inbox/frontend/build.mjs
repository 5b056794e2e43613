// Builds ../static from ./src: `npm ci && npm run build`. What is built is committed, with a digest of what it was built from.
import { build } from "esbuild";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const OUT = "../static";
rmSync(OUT, { recursive: true, force: true });
mkdirSync(OUT, { recursive: true });
const result = await build({
  entryPoints: ["src/app.js", "src/inbox.css", "src/form.js", "src/form.css", "src/diagram.js", "src/diagram.css"],
  outdir: OUT,
  bundle: true,
  minify: true,
  format: "esm",
  target: ["chrome123", "firefox120", "safari17.5"],
  legalComments: "none",
  metafile: true,
  logLevel: "warning",
});

const digest = (content) => createHash("sha256").update(content).digest("hex");
const sources = createHash("sha256");
const names = ["build.mjs", "package-lock.json", "package.json", ...readdirSync("src").map((name) => `src/${name}`)].sort();
for (const name of names) sources.update(`${name}\n${readFileSync(name, "utf8")}`);

const used = new Set();
for (const input of Object.keys(result.metafile.inputs)) {
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
  readdirSync(OUT).sort().map((name) => {
    const content = readFileSync(`${OUT}/${name}`);
    return [name, { sha256: digest(content), bytes: content.length, gzip: gzipSync(content, { level: 9 }).length }];
  }),
);
writeFileSync(`${OUT}/manifest.json`, `${JSON.stringify({ sources: sources.digest("hex"), packages, files }, null, 2)}\n`);
for (const [name, { bytes, gzip }] of Object.entries(files)) console.log(name.padEnd(16), bytes, gzip);
if (!existsSync(`${OUT}/app.js`)) process.exit(1);
