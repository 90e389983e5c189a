/**
 * What the control plane finds wrong in a request's fields, said of what was typed: people gave
 * `--expires`, and know no `expiresInS`.
 */
import type { CliFailure } from "./command.ts";

/** How a field is called by who typed the command, such as `expiresInS: "--expires, in seconds,"`. */
export type TypedNames = Readonly<Record<string, string>>;

/**
 * The failure with each field by its typed name: the one that the command says, else the option of
 * that name (`displayName` is `--display-name`); a part of a field, such as `scopes.0`, by the
 * field's. A field that nobody typed keeps its name.
 */
export function nameFlags(
  failure: CliFailure,
  options: Readonly<Record<string, unknown>>,
  names: TypedNames = {},
): CliFailure {
  let { sentence } = failure;
  for (const { field, message } of failure.fields ?? []) {
    const typed = typedName(field, options, names);
    if (typed !== null) {
      // A function, because a text may hold what `replace` reads as a pattern's parts.
      sentence = sentence.replace(`${field} ${message}`, () => `${typed} ${message}`);
    }
  }
  return { ...failure, sentence };
}

function typedName(
  field: string,
  options: Readonly<Record<string, unknown>>,
  names: TypedNames,
): string | null {
  const parts = field.split(".");
  for (let length = parts.length; length > 0; length -= 1) {
    const name = parts.slice(0, length).join(".");
    const option = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    const typed = Object.hasOwn(names, name) ? names[name] : undefined;
    if (typed !== undefined || Object.hasOwn(options, option)) {
      return typed ?? `--${option}`;
    }
  }
  return null;
}
