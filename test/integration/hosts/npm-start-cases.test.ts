import { describeHost } from "./host-cases.ts";
import { NPM_START } from "./running-host.ts";

describeHost(NPM_START);
