import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

/** `npm run build:dashboard`: what `serve --http` serves, as files with the hash of their content in their name. */
export default defineConfig({
  root: fileURLToPath(new URL(".", import.meta.url)),
  // The page stands at / of the port, and asks nothing outside it.
  base: "/",
  build: {
    outDir: "dist",
    emptyOutDir: true,
    target: "es2024",
    // Nothing as a data: address, and no inline script: the Content-Security-Policy has room for neither.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    manifest: true,
    sourcemap: false,
  },
});
