/**
 * Prints new secrets for a deployment as one JSON object, the form that `wrangler secret bulk` takes.
 *
 *     npm run secrets > kerbside-secrets.json
 */
import { generateSecrets } from "./secrets.ts";

process.stdout.write(`${JSON.stringify(await generateSecrets(Date.now()), null, 2)}\n`);
