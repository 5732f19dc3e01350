// Stamps a built bundle with the hash of the sources it was built from, so that a test can tell, without Node,
// when somebody changed the sources and forgot to build. tests/pages/test_bundles.py computes the same hash.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const FILES = ["package-lock.json", "package.json", "tsconfig.json", "vite.config.ts"];

/** sha256 over `path\0bytes\0` of every source of the frontend in `dir`, paths relative with "/", in byte order. */
export function sourcesHash(dir) {
  const src = readdirSync(join(dir, "src"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(dir.length + 1).replaceAll("\\", "/"));
  const hash = createHash("sha256");
  for (const path of [...FILES, ...src].sort()) {
    hash.update(path).update("\0").update(readFileSync(join(dir, path))).update("\0");
  }
  return hash.digest("hex");
}

/** Vite plugin: puts `// layerloom sources <hash>` on the first line of every chunk. */
export function stamp(dir) {
  return {
    name: "layerloom-stamp",
    generateBundle(_options, bundle) {
      const line = `// layerloom sources ${sourcesHash(dir)}\n`;
      for (const chunk of Object.values(bundle)) if (chunk.type === "chunk") chunk.code = line + chunk.code;
    },
  };
}
