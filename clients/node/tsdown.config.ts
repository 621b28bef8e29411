import { defineConfig } from "tsdown";

export default defineConfig([
  { entry: "src/index.ts", format: ["esm", "cjs"], dts: true, sourcemap: true, platform: "node" },
  {
    entry: { command: "src/command/main.ts" },
    format: "esm",
    dts: false,
    platform: "node",
    clean: false,
  },
]);
