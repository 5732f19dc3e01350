import { defineConfig } from "vite";
import { stamp } from "../../sources-hash.mjs";

// One ES module with its CSS inlined: nothing is fetched at run time.
export default defineConfig({
  define: { "process.env.NODE_ENV": JSON.stringify("production") },
  plugins: [stamp(import.meta.dirname)],
  build: {
    outDir: "../assets",
    emptyOutDir: true,
    target: "es2022",
    lib: { entry: "src/index.tsx", formats: ["es"], fileName: () => "canvas.js" },
    rollupOptions: { output: { minify: true, comments: false } as never },
    reportCompressedSize: false,
  },
});
