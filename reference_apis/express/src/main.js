// How is the API started?
//
//     node src/main.js CONFIG.json
import { createServer } from "node:http";

import { createApp } from "./app.js";
import { ConfigurationError, readConfiguration } from "./configuration.js";
import { openDependencies } from "./dependencies/opened.js";

const GRACE_MS = 2_000; // How long requests under way may take when the API is asked to end.

/** Serve the API that one configuration file describes until a signal ends it. */
function main(args) {
    if (args.length !== 1) {
        throw new ConfigurationError("usage: node src/main.js CONFIG.json");
    }
    const configuration = readConfiguration(args[0]);
    const dependencies = openDependencies(configuration);
    const server = createServer(createApp(configuration.aggregation, dependencies));
    server.keepAliveTimeout = 75_000;

    const end = () => {
        server.close(async () => {
            await Promise.allSettled([...dependencies.values()].map((dependency) => dependency.close()));
            process.exit();
        });
        server.closeIdleConnections();
        setTimeout(() => process.exit(), GRACE_MS).unref();
    };
    process.once("SIGTERM", end);
    process.once("SIGINT", end);
    server.listen(configuration.port, configuration.host);
}

try {
    main(process.argv.slice(2));
} catch (error) {
    if (!(error instanceof ConfigurationError)) {
        throw error;
    }
    console.error(error.message);
    process.exitCode = 1;
}
