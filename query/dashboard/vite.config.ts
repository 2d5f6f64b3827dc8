import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

const root = fileURLToPath(new URL(".", import.meta.url));

/** `npm run build:dashboard`: what `serve --http` serves, as files with the hash of their content in their name. */
export default defineConfig({
  root,
  // The page stands at / of the port, and asks nothing outside it.
  base: "/",
  build: {
    outDir: "dist",
    emptyOutDir: true,
    target: "es2024",
    // Nothing as a data: address, and no inline script: the Content-Security-Policy has room for neither.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    sourcemap: false,
    // Two pages: the dashboard, and the one that shows and calls the HTTP API.
    rolldownOptions: { input: [`${root}index.html`, `${root}api/index.html`] },
    // The API page is a bundle of others, and of that size.
    chunkSizeWarningLimit: 2_000,
  },
});
