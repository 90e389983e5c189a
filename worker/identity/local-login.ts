/**
 * Whether people may log in by a password of this control plane. `break-glass` is for deployments
 * whose people come through a provider: local admins alone, for the day on which it is away.
 */
import type { Role } from "./permissions.ts";

export const LOCAL_LOGIN_MODES = ["on", "off", "break-glass"] as const;

export type LocalLogin = (typeof LOCAL_LOGIN_MODES)[number];

/** People who were made here and come through no provider. */
export const LOCAL_ORIGIN = "local";

/** Whether somebody with the right password is let in by it. */
export function admitsByPassword(
  mode: LocalLogin,
  user: { readonly role: Role; readonly origin: string; readonly disabledAtMs: number | null },
): boolean {
  const isLocalAdmin = user.role === "admin" && user.origin === LOCAL_ORIGIN;
  const isAdmitted = { on: true, off: false, "break-glass": isLocalAdmin }[mode];
  return isAdmitted && user.disabledAtMs === null;
}
