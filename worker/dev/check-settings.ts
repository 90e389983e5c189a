/** Refuses settings that make no sense before anything is started or changed with them. */
import { z } from "zod";
import { clockIsOn, readConfig } from "../config.ts";
import { sayFieldFault } from "../routes/field-messages.ts";
import { SettingError, type SettingValues } from "../settings.ts";
import { StartError } from "./state-folder.ts";

/** All but the database, which a host makes itself. */
type HostSettings = Omit<SettingValues, "LIBSQL_URL" | "LIBSQL_AUTH_TOKEN">;

/** Judges them as the Worker does. @throws {StartError} with its sentence. */
export function checkSettings(settings: HostSettings): void {
  // Also in the Worker's words (worker/app.ts).
  z.config({ customError: sayFieldFault });
  try {
    readConfig({ ...settings, LIBSQL_URL: "http://127.0.0.1", LIBSQL_AUTH_TOKEN: "" });
    clockIsOn(settings);
  } catch (error) {
    throw error instanceof SettingError ? new StartError(error.message, 2) : error;
  }
}
