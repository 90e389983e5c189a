/** Where the project keeps its migrations. */
import { fileURLToPath } from "node:url";

/** The absolute path of `migrations/`. */
export const MIGRATIONS_FOLDER = fileURLToPath(new URL("../../../migrations", import.meta.url));
