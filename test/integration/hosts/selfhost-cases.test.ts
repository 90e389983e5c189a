import { describeHost } from "./host-cases.ts";
import { SELFHOST } from "./running-host.ts";

describeHost(SELFHOST);
