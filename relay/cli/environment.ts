/** The one file of the command-line client that reads the environment. */
import { homedir } from "node:os";
import { join } from "node:path";

export interface CliEnvironment {
  /** Where the login is kept. */
  readonly loginFile: string;
  /** The control plane when no --url is given and nobody has logged in. */
  readonly url: string | null;
  readonly password: string | null;
  /** Folders that programs are looked for in. */
  readonly searchPath: readonly string[];
  /** Whether a viewer has a screen to open its window on. */
  readonly hasDisplay: boolean;
}

/** Reads what the commands use of the environment. */
export function readEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
): CliEnvironment {
  const configHome = environment["XDG_CONFIG_HOME"];
  // The XDG base directory specification: relative paths are to be ignored.
  const folder = configHome?.startsWith("/") === true ? configHome : join(homedir(), ".config");
  return {
    loginFile: join(folder, "kerbside", "login.json"),
    url: environment["KERBSIDE_URL"] ?? null,
    password: environment["KERBSIDE_PASSWORD"] ?? null,
    hasDisplay:
      process.platform !== "linux" ||
      (environment["DISPLAY"] ?? "") !== "" ||
      (environment["WAYLAND_DISPLAY"] ?? "") !== "",
    searchPath: (environment["PATH"] ?? "").split(":").filter((part) => part !== ""),
  };
}
