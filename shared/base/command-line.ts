/**
 * What Node's parser of command lines lacks: negative numbers as values of their own, so that a
 * setting's own sentence refuses them, and its errors as one sentence each.
 */

/** Writes `--workers -1` as `--workers=-1`: no option of ours begins with a digit. */
export function joinNegativeNumbers(args: readonly string[]): string[] {
  const joined: string[] = [];
  for (const arg of args) {
    const before = joined.at(-1);
    if (before !== undefined && /^-[0-9]/.test(arg) && /^--[a-z-]*[a-z]$/.test(before)) {
      joined[joined.length - 1] = `${before}=${arg}`;
    } else {
      joined.push(arg);
    }
  }
  return joined;
}

/** The first sentence of what `parseArgs` threw; its advice is of other programs' habits. */
export function sayParseError(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const [first = ""] = message.split(/\. |\n/);
  const sentence = first.replace(/ argument is ambiguous\.?$/, " argument missing");
  return sentence.endsWith(".") ? sentence : `${sentence}.`;
}
