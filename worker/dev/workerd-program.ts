/** Where the pinned workerd is: the one that Miniflare brings, for it and for plain workerd alike. */
import { createRequire } from "node:module";

/** The program's path. */
export function workerdProgram(): string {
  const require = createRequire(createRequire(import.meta.url).resolve("miniflare"));
  const workerd: { readonly default: string } = require("workerd");
  return workerd.default;
}
