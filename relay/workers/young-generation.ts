/**
 * How V8's young generation is kept small in a process that is running already. Workers get a flag
 * when they are started; the control process is started by whoever runs the relay. It must not
 * change what a program computes, only when its garbage is collected.
 */
import { setFlagsFromString } from "node:v8";

/**
 * From now on the young generation does not grow beyond what it has. It grows while channels are
 * opened and keeps what it has grown to, 16 MiB and more, which nothing needs once they are open
 * (docs/performance/relay.md). A Node that does not know the flag says so on standard error and
 * goes on.
 */
export function keepYoungGeneration(): void {
  setFlagsFromString("--semi-space-growth-factor=1");
}
