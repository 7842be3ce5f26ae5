// Which routes say what is running, and how well?
import { createRequire } from "node:module";
import express from "express";

import { Unavailable, ask } from "../dependencies/dependency.js";
import { NAMES, configured } from "../dependencies/opened.js";
import { NotFound, refuseOtherMethods } from "./requests.js";

const FRAMEWORK_VERSION = createRequire(import.meta.url)("express/package.json").version;
const RUNTIME = `Node.js ${process.versions.node}`;

/** The routes / and /health. */
export function healthRouter(aggregation, dependencies) {
    const router = express.Router({ strict: true, caseSensitive: true });

    // Encoded once: nothing in it changes.
    const about = {
        name: "reference-api",
        framework: "Express",
        version: FRAMEWORK_VERSION,
        runtime: RUNTIME,
        server: `${RUNTIME}, node:http`,
        aggregation,
    };

    router
        .route("/")
        .get((_request, response) => response.json(about))
        .all(refuseOtherMethods);

    router
        .route("/health")
        .get((_request, response) => response.json({ status: "healthy" }))
        .all(refuseOtherMethods);

    router
        .route("/health/all")
        .get(async (_request, response) => {
            const answers =
                aggregation === "concurrent"
                    ? await Promise.all(NAMES.map((name) => examine(dependencies.get(name))))
                    : await inTurn(NAMES, (name) => examine(dependencies.get(name)));
            response.json({
                status: answers.some(({ status }) => status === "unhealthy") ? "degraded" : "healthy",
                dependencies: Object.fromEntries(NAMES.map((name, i) => [name, answers[i]])),
            });
        })
        .all(refuseOtherMethods);

    router
        .route("/health/:dependency")
        .get(async (request, response) => {
            const name = request.params.dependency;
            if (!NAMES.includes(name)) {
                throw new NotFound(`no dependency is called ${name}; there are ${NAMES.join(", ")}`);
            }
            response.json(await healthOf(configured(dependencies, name)));
        })
        .all(refuseOtherMethods);

    return router;
}

/** What a dependency answers just now, and how long that takes. */
async function healthOf(dependency) {
    const begin = performance.now();
    const version = await ask(dependency, () => dependency.check());
    return { status: "healthy", latency_ms: millisecondsSince(begin), version };
}

/** The health of a dependency, whatever it is: absent and unhealthy are answers too. */
async function examine(dependency) {
    if (dependency === undefined) {
        return { status: "absent", latency_ms: 0 };
    }
    const begin = performance.now();
    try {
        return await healthOf(dependency);
    } catch (error) {
        if (!(error instanceof Unavailable)) {
            throw error;
        }
        return { status: "unhealthy", latency_ms: millisecondsSince(begin), error: error.message };
    }
}

/** What is answered for each, one after the other. */
async function inTurn(names, answer) {
    const answers = [];
    for (const name of names) {
        answers.push(await answer(name));
    }
    return answers;
}

/** How long ago that was, to the microsecond. */
function millisecondsSince(begin) {
    return Math.round((performance.now() - begin) * 1_000) / 1_000;
}
