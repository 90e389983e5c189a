import { describeHost } from "./host-cases.ts";
import { NPM_START } from "../../harness/running-host.ts";

describeHost(NPM_START);
