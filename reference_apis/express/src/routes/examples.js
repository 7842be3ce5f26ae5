// Which routes use a dependency the way an application would?
import express from "express";

import { ask } from "../dependencies/dependency.js";
import { configured } from "../dependencies/opened.js";
import { NotFound, cacheValueOf, checkName, messageOf, readBody, refuseOtherMethods } from "./requests.js";

/** The routes under /examples. */
export function examplesRouter(dependencies) {
    const router = express.Router({ strict: true, caseSensitive: true });
    router.param("name", checkName);

    router
        .route("/vault/secret/:name")
        .get(async (request, response) => {
            const { name } = request.params;
            const vault = configured(dependencies, "vault");
            const found = await ask(vault, (signal) => vault.read(name, signal));
            if (found === undefined) {
                throw new NotFound(`Vault has no secret for ${name}`);
            }
            response.json({ service: name, ...found });
        })
        .all(refuseOtherMethods);

    for (const name of ["postgres", "mysql", "mongodb"]) {
        router
            .route(`/database/${name}/query`)
            .get(async (_request, response) => {
                const database = configured(dependencies, name);
                const result = await ask(database, () => database.askExample());
                response.json({ database: name, query: database.query, result });
            })
            .all(refuseOtherMethods);
    }

    router
        .route("/cache/:name")
        .get(async (request, response) => {
            const { name } = request.params;
            const redis = configured(dependencies, "redis");
            const value = await ask(redis, () => redis.get(name));
            if (value === null) {
                throw new NotFound(`the cache has no ${name}`);
            }
            response.json({ key: name, value });
        })
        .post(readBody, async (request, response) => {
            const { name } = request.params;
            const { value, ttl } = cacheValueOf(request.body);
            const redis = configured(dependencies, "redis");
            await ask(redis, () => redis.set(name, value, ttl));
            response.json({ key: name, stored: true, ttl });
        })
        .delete(async (request, response) => {
            const { name } = request.params;
            const redis = configured(dependencies, "redis");
            response.json({ key: name, deleted: await ask(redis, () => redis.delete(name)) });
        })
        .all(refuseOtherMethods);

    router
        .route("/messaging/publish/:name")
        .post(readBody, async (request, response) => {
            const { name } = request.params;
            const body = Buffer.from(JSON.stringify(messageOf(request.body)));
            const rabbitmq = configured(dependencies, "rabbitmq");
            await ask(rabbitmq, () => rabbitmq.publish(name, body));
            response.json({ queue: name, published: true });
        })
        .all(refuseOtherMethods);

    router
        .route("/messaging/queue/:name")
        .delete(async (request, response) => {
            const { name } = request.params;
            const rabbitmq = configured(dependencies, "rabbitmq");
            response.json({ queue: name, messages: await ask(rabbitmq, () => rabbitmq.delete(name)) });
        })
        .all(refuseOtherMethods);

    return router;
}
