// How do routes and dependencies become one application?
import express from "express";

import { Unavailable } from "./dependencies/dependency.js";
import { examplesRouter } from "./routes/examples.js";
import { healthRouter } from "./routes/health.js";
import { Invalid, NotFound } from "./routes/requests.js";

/** The application, over the dependencies that are configured. */
export function createApp(aggregation, dependencies) {
    const app = express();
    app.disable("x-powered-by");
    // A hash of each body would be measured with the answer; no caller asks whether an answer changed.
    app.disable("etag");
    // /health/ is not /health, and /Health is neither.
    app.enable("strict routing");
    app.enable("case sensitive routing");
    app.use(healthRouter(aggregation, dependencies));
    app.use("/examples", examplesRouter(dependencies));
    app.use(() => {
        throw new NotFound("there is no such route");
    });
    app.use(answerError);
    return app;
}

/** The answer to a request that failed: known errors have a status of their own, others are ours. */
// eslint-disable-next-line no-unused-vars -- Express knows an error handler by its four parameters
function answerError(error, request, response, next) {
    if (error instanceof Unavailable) {
        response.status(503).json({ status: "unavailable", reason: error.reason, error: error.message });
    } else if (error instanceof NotFound) {
        response.status(404).json({ status: "not_found", error: error.message });
    } else if (error instanceof Invalid || (error.status >= 400 && error.status < 500)) {
        // The second: Express itself refused the body or the path.
        response.status(422).json({ status: "invalid", error: error.message });
    } else {
        console.error(error);
        response.status(500).json({ status: "failed", error: "the API failed; its log says why" });
    }
}
