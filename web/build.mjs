// Builds the page, the exported page and the notebook widget into src/narrows/page/static, the same bytes every time.
import { copyFile, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build } from "vite";

const root = fileURLToPath(new URL(".", import.meta.url));
const outDir = process.argv[2] ?? fileURLToPath(new URL("../src/narrows/page/static", import.meta.url));

const ENTRIES = [
  { name: "app", entry: "src/main.tsx", format: "es" },
  { name: "offline", entry: "src/offline/main.tsx", format: "iife" },
  { name: "widget", entry: "src/widget.tsx", format: "es" },
];

/** uPlot hangs all that it can draw on one object, whence nothing is dropped by itself: bars, steps and dates go here. */
const withoutUnused = {
  name: "uplot-without-unused",
  transform(code, id) {
    if (!id.endsWith("/uPlot.esm.js")) return null;
    const unused = /\(paths\.(stepped|bars|spline)\s*=.*\n|uPlot\.(join|fmtDate|tzDate|sync|orient)\s*=.*\n/g;
    return { code: code.replace(unused, "\n"), map: null };
  },
};

await rm(outDir, { recursive: true, force: true });
await mkdir(outDir, { recursive: true });
for (const { name, entry, format } of ENTRIES) {
  await build({
    root,
    configFile: false,
    logLevel: "warn",
    plugins: [withoutUnused],
    oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
    define: { "process.env.NODE_ENV": '"production"' },
    build: {
      outDir,
      emptyOutDir: false,
      target: "es2022",
      cssCodeSplit: false,
      reportCompressedSize: false,
      rollupOptions: {
        input: fileURLToPath(new URL(entry, import.meta.url)),
        output: { format, name: "narrows", entryFileNames: `${name}.js`, assetFileNames: `${name}[extname]` },
        preserveEntrySignatures: name === "widget" ? "strict" : false,
      },
    },
  });
}
await writeFile(`${outDir}/widget.css`, within(".narrows-widget", await readFile(`${outDir}/widget.css`, "utf8")));
for (const file of ["index.html", "icon.svg"]) await copyFile(`${root}/${file}`, `${outDir}/${file}`);

/** A style sheet for one element and what is in it: a notebook's own look stays as it is. */
function within(selector, css) {
  const apart = [];
  const rest = css
    .replace(/@keyframes [\w-]+\{(?:[^{}]*\{[^{}]*\})*\}/g, (rule) => (apart.push(rule), ""))
    .replaceAll(`:root,${selector}`, "&")
    .replace(/:root(?=[:[{])/g, "&");
  return `${apart.join("")}${selector}{${rest}}\n`;
}
