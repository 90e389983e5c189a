/**
 * The ways to log in: one row for each kind, which says what of it is switched on. What is offered
 * to people, by the dashboard and the command line, comes from here.
 */
import type { ServiceContext } from "./context.ts";
import { PASSWORD_METHOD } from "./login.ts";

/**
 * How a method is used: `password` by POST /auth/login, with its name as the provider; `oidc` by
 * sending a browser to GET /auth/oidc/{name}/start.
 */
export const LOGIN_METHOD_KINDS = ["password", "oidc"] as const;

export interface LoginMethod {
  readonly kind: (typeof LOGIN_METHOD_KINDS)[number];
  /** Told of a login in lists and in the audit trail, `oidc:` before it where it is one; unique. */
  readonly name: string;
  /** For people. */
  readonly label: string;
  /** Whether it is for administrators in an emergency, and not to be offered first. */
  readonly isForEmergencies: boolean;
}

/** The methods that are switched on. */
export async function listLoginMethods(context: ServiceContext): Promise<LoginMethod[]> {
  const methods = await Promise.all(
    LOGIN_METHODS.map(async (methodsOf) => await methodsOf(context)),
  );
  return methods.flat();
}

type MethodsOf = (context: ServiceContext) => LoginMethod[] | Promise<LoginMethod[]>;

function passwordMethods({ settings }: ServiceContext): LoginMethod[] {
  return settings.localLogin === "off"
    ? []
    : [
        {
          kind: "password",
          name: PASSWORD_METHOD,
          label: "User name and password",
          isForEmergencies: settings.localLogin === "break-glass",
        },
      ];
}

function oidcMethods({ settings }: ServiceContext): LoginMethod[] {
  return settings.oidcProviders.map(({ name, label }) => ({
    kind: "oidc",
    name,
    label: label ?? name,
    isForEmergencies: false,
  }));
}

function keystoneMethods({ settings: { keystone } }: ServiceContext): LoginMethod[] {
  return keystone === null
    ? []
    : [
        {
          kind: "password",
          name: keystone.name,
          label: keystone.label ?? "OpenStack",
          isForEmergencies: false,
        },
      ];
}

const LOGIN_METHODS: readonly MethodsOf[] = [oidcMethods, keystoneMethods, passwordMethods];
