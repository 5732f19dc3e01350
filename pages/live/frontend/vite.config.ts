import { copyFileSync } from "node:fs";
import { defineConfig } from "vite";
import { stamp } from "../../sources-hash.mjs";

const PLOTLY = "node_modules/plotly.js-cartesian-dist-min";

/** Plotly is served as it comes, beside our bundle: a browser keeps it when ours changes. */
const plotly = {
  name: "layerloom-plotly",
  closeBundle() {
    copyFileSync(`${PLOTLY}/plotly-cartesian.min.js`, "../assets/plotly-cartesian.min.js");
    copyFileSync(`${PLOTLY}/LICENSE`, "../assets/LICENSES.txt");
  },
};

export default defineConfig({
  plugins: [stamp(import.meta.dirname), plotly],
  build: {
    outDir: "../assets",
    emptyOutDir: true,
    target: "es2022",
    lib: { entry: "src/index.ts", formats: ["es"], fileName: () => "live.js" },
    rollupOptions: { output: { minify: true, comments: false } as never },
    reportCompressedSize: false,
  },
});
